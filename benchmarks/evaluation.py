"""Times a full-size evaluation against the network's bare forward pass.

    python benchmarks/evaluation.py [--root=CITYSCAPES_TREE] [--images=4] [--rounds=5]

An evaluation reads and decodes files, runs the network, takes the arg-max and counts;
the bare pass runs the network alone on the same images, already in memory. Both take
turns in one process; the median of the rounds' ratios is printed, and the peak of the
process's memory after the first and the last round. Without a tree, scenes of
1024x2048 are drawn into a temporary folder.
"""

import argparse
import os
import resource
import statistics
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from keras_lraspp.processor import prefer_onednn

prefer_onednn()  # as evaluate.py does

import tensorflow as tf

from keras_lraspp import LRASPP
from keras_lraspp.data import Cityscapes, Scenes, check_dataset, evaluation_batches
from keras_lraspp.evaluation.loop import evaluate_model
from keras_lraspp.inference import label_function
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.weights.published import find_variant


def main() -> None:
    """Prints both times and their ratio."""
    parser = argparse.ArgumentParser(description="evaluation against a bare forward")
    parser.add_argument("--root", help="a tree laid out like Cityscapes")
    parser.add_argument("--images", type=int, default=4, help="per round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--variant", default="os8_global")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        dataset = _dataset(flags.root, folder, flags.images)
        _compare(dataset, LRASPP(**find_variant(flags.variant).arguments), flags.rounds)


def _dataset(root: str | None, folder: str, images: int):
    if root is None:
        size = {"height": 1024, "width": 2048}
        drawn = Scenes(folder, "val", train_scenes=1, val_scenes=images, **size)
        return check_dataset(drawn)
    return check_dataset(Cityscapes(root, "val").select(range(images)))


def _compare(dataset, model, rounds: int) -> None:
    labels_of = label_function(model)
    bare = tf.function(lambda images: model(images, training=False), autograph=False)
    loaded = [tf.convert_to_tensor(dataset.load(index)[0])[None] for index in range(2)]
    height, width = loaded[0].shape[1:3]

    def evaluation():
        confusion = ImageConfusion(dataset.num_classes, dataset.ignore_label)
        evaluate_model(labels_of, evaluation_batches(dataset), confusion)

    def forward():
        for index in range(len(dataset)):
            bare(loaded[index % 2])

    evaluation(), forward()  # compiles
    ratios, times, peaks = [], [], []
    for _ in range(rounds):
        taken = [_seconds(step) / len(dataset) for step in (evaluation, forward)]
        times.append(taken)
        ratios.append(taken[0] / taken[1])
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    evaluated, passed = map(statistics.median, zip(*times, strict=True))
    print(f"{len(dataset)} images of {height}x{width}, medians of {rounds} rounds")
    print(f"evaluation    {1000 * evaluated:7.0f} ms per image")
    print(f"bare forward  {1000 * passed:7.0f} ms per image")
    print(f"ratio         {statistics.median(ratios):7.3f}")
    print(f"peak memory   {peaks[0]:7.2f} GB after the first round, {peaks[-1]:.2f} GB")


def _seconds(step) -> float:
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
