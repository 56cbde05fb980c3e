"""One contestant of `input_pipeline.py`: this package; prints a line of JSON."""

import argparse
import itertools
import json
import os
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

BATCH = 4
WARM_UP = 24  # images


def batches(kind: str, root: str):
    """Batches of the pipeline, or of PNG images that are decoded and nothing else."""
    import tensorflow as tf

    from keras_lraspp.data import Cityscapes, Shards, recipe_transform, training_batches

    if kind == "decode":
        files = [str(path) for path in Cityscapes(root, "train").images]
        images = tf.data.Dataset.from_tensor_slices(files).repeat()
        images = images.map(
            lambda path: tf.shape(tf.io.decode_png(tf.io.read_file(path), channels=3)),
            num_parallel_calls=tf.data.AUTOTUNE,
        )
        return images.batch(BATCH).prefetch(2)
    dataset = (Shards if kind == "shards" else Cityscapes)(root, "train")
    return training_batches(
        dataset, transform=recipe_transform(), batch_size=BATCH, seed=0
    )


def main() -> None:
    """Times batches after a warm-up."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kind", choices=("decode", "raw", "shards"), required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--images", type=int, required=True)
    arguments = parser.parse_args()
    from keras_lraspp.data.pipeline import keep_freed_memory

    keep_freed_memory()  # as `train.py` does
    stream = iter(batches(arguments.kind, arguments.root))
    for _ in itertools.repeat(None, WARM_UP // BATCH):
        next(stream)
    steps = arguments.images // BATCH
    started, processor = time.perf_counter(), time.process_time()
    for _ in range(steps):
        next(stream)
    result = {
        "images": steps * BATCH,
        "seconds": time.perf_counter() - started,
        "processor": time.process_time() - processor,
    }
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
