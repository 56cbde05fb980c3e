"""One contestant of `input_pipeline.py`: PaddleSeg's loader; prints a line of JSON.

Needs paddlepaddle and paddleseg, and nothing of this package.
"""

import argparse
import itertools
import json
import os
import time
from pathlib import Path

from paddle.io import BatchSampler, DataLoader
from paddleseg.datasets import Cityscapes
from paddleseg.transforms import (
    Normalize,
    RandomDistort,
    RandomHorizontalFlip,
    RandomPaddingCrop,
    ResizeStepScaling,
)

BATCH = 4
WARM_UP = 24  # images


def batches(root: str, workers: int):
    """The batches of its configuration of LRASPP, without end."""
    transforms = [
        ResizeStepScaling(0.5, 2.0, 0.25),
        RandomPaddingCrop([1024, 512]),
        RandomHorizontalFlip(),
        RandomDistort(brightness_range=0.5, contrast_range=0.5, saturation_range=0.5),
        Normalize(),
    ]
    dataset = Cityscapes(transforms=transforms, dataset_root=root, mode="train")
    dataset.file_list *= 50  # or it would start its workers anew for each epoch
    sampler = BatchSampler(dataset, batch_size=BATCH, shuffle=True, drop_last=True)
    loader = DataLoader(dataset, batch_sampler=sampler, num_workers=workers)
    return itertools.chain.from_iterable(itertools.repeat(loader))


def processor_seconds() -> float:
    """Processor time of this process and of its children, which still run."""
    total = time.process_time()
    for task in Path("/proc/self/task").glob("*/children"):
        for child in task.read_text().split():
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def main() -> None:
    """Times batches after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--images", type=int, required=True)
    arguments = parser.parse_args()
    stream = batches(arguments.root, arguments.workers)
    for _ in itertools.repeat(None, WARM_UP // BATCH):
        next(stream)
    steps = arguments.images // BATCH
    started, processor = time.perf_counter(), processor_seconds()
    for _ in range(steps):
        next(stream)
    result = {
        "images": steps * BATCH,
        "seconds": time.perf_counter() - started,
        "processor": processor_seconds() - processor,
    }
    print(json.dumps(result), flush=True)
    os._exit(0)  # its workers would wait for more


if __name__ == "__main__":
    main()
