"""One evaluation: a model's score on a whole split of a data set."""

import json
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from keras_lraspp.data import check_dataset, evaluation_batches
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.run_time_errors import input_errors
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.inference.labels import LabelFunction, label_function
from keras_lraspp.models.loading import load_weights
from keras_lraspp.runs.confusion_files import write_confusion
from keras_lraspp.runs.datasets import open_dataset
from keras_lraspp.runs.precision import precision_policy
from keras_lraspp.runs.scores import report, score_dictionary
from keras_lraspp.training.bootstrap import ImageConfusion
from keras_lraspp.training.metrics import ConfusionMatrix
from keras_lraspp.training.scores import check_absent


def evaluate(
    *,
    model: Callable[..., keras.Model],
    dataset: Callable[..., Dataset],
    weights: str | Path,
    data_root: str | Path | None = None,
    split: str = "val",
    batch_size: int = 1,
    absent: str = "omit",
    json_path: str | Path | None = None,
    confusion_path: str | Path | None = None,
    precision: str = "float32",
) -> dict:
    """Scores a model on whole images at full size, and prints a table.

    Args:
        model: Called as `model(num_classes=...)`.
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        weights: `.keras` or `.weights.h5` file of the model.
        data_root: Folder of the data set, if not the data set's default.
        split: Split to score on.
        batch_size: Images per step; above 1 all images must be of one size.
        absent: What becomes of classes that are neither in the labels nor in the
            predictions: `"omit"` leaves them out of the mean, `"one"` counts them as 1.
        json_path: File for the returned dictionary; `None` for none.
        confusion_path: Prefix of two files for the confusion matrix, a table `.csv`
            and a picture `.png`; `None` for none.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.

    Returns:
        The scores as `score_dictionary` gives them, among them `miou`, and
        `num_images`, `seconds_per_image`, `weights`, `dataset` and `split`.

    Raises:
        InputError: For bad data, weights or arguments.
        StorageError: If `json_path` or `confusion_path` cannot be written.
    """
    check_absent(absent)
    listed = open_dataset(dataset, data_root, split)
    if not listed.labels:
        raise InputError(
            f"The {split} split of {listed.name} has no labels to score against; "
            f"choose another split."
        )
    with precision_policy(precision):
        network = model(num_classes=listed.num_classes)
    load_weights(network, weights)
    images = check_dataset(listed)  # last: it may take minutes

    confusion = ImageConfusion(images.num_classes, images.ignore_label)
    batches = evaluation_batches(images, batch_size=batch_size)
    started = time.perf_counter()
    with tqdm(total=len(images), unit="image", desc=f"{images.name} {split}") as bar:
        evaluate_model(label_function(network), batches, confusion, bar.update)
    seconds = time.perf_counter() - started
    scores = {
        **score_dictionary(confusion, images.classes, absent),
        "num_images": len(images),
        "seconds_per_image": seconds / len(images),
        "weights": str(weights),
        "dataset": images.name,
        "split": split,
    }
    print(report(scores))
    if json_path is not None:
        with replacing(Path(json_path)) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")
    if confusion_path is not None:
        names = images.classes.names
        written = write_confusion(confusion.counts, names, confusion_path)
        print(f"{'confusion matrix':<24}{' and '.join(map(str, written))}")
    return scores


def evaluate_model(
    predict: LabelFunction,
    batches: Iterable,
    confusion: ConfusionMatrix,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Counts a model's hits and misses over batches.

    The labels of one batch are counted while the device works on the next; no more
    than two batches are in memory, whatever their number.

    Args:
        predict: See `label_function`.
        batches: Pairs of uint8 images (B, H, W, 3) and integer labels (B, H, W).
        confusion: Gets the counts.
        progress: Called after each batch with the number of its images.

    Raises:
        InputError: If a file cannot be read, or labels hold a value that is neither a
            class nor ignored.
    """
    counted = None
    with input_errors(), ThreadPoolExecutor(max_workers=1) as counter:
        for images, labels in batches:
            predictions = predict(images)
            if counted is not None:
                counted.result()
            counted = counter.submit(confusion.update, np.asarray(labels), predictions)
            if progress is not None:
                progress(len(predictions))
        if counted is not None:
            counted.result()
