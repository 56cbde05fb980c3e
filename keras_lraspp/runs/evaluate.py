"""One evaluation: a model's score on a whole split of a data set."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import keras
from tqdm import tqdm

from keras_lraspp.data import check_dataset
from keras_lraspp.data.dataset import Samples, open_dataset
from keras_lraspp.devices import device_scopes
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.inference.options import InferenceOptions
from keras_lraspp.metrics import check_absent
from keras_lraspp.runs.evaluation.confusion_files import write_confusion
from keras_lraspp.runs.evaluation.contest import Contest
from keras_lraspp.runs.evaluation.counting import count
from keras_lraspp.runs.evaluation.image_batches import batches_of
from keras_lraspp.runs.evaluation.scores import report, score_dictionary
from keras_lraspp.runs.evaluation.submission import check_submission, writing_submission


def evaluate(
    *,
    model: Callable[..., keras.Model],
    dataset: Callable[..., Samples],
    weights: str | Path,
    data_root: str | Path | None = None,
    split: str = "val",
    batch_size: int = 1,
    flip: bool = False,
    scales: tuple[float, ...] = (1.0,),
    sliding_window: tuple[int, int] | None = None,
    stride: tuple[int, int] | None = None,
    protocol: str | None = None,
    compare: str | Path | None = None,
    submission: str | Path | None = None,
    absent: str = "omit",
    json_path: str | Path | None = None,
    confusion_path: str | Path | None = None,
    precision: str = "float32",
    devices: Sequence[str] | None = None,
) -> dict:
    """Scores a model on whole images at full size, and prints a table.

    Args:
        model: Called as `model(num_classes=...)`.
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        weights: `.keras` or `.weights.h5` file of the model, or an exported file:
            `.onnx`, `.tflite`, or a SavedModel's folder.
        data_root: Folder of the data set, if not the data set's default.
        split: Split to score on.
        batch_size: Images per step; above 1 all images must be of one size.
        flip: As in `InferenceOptions`, like the next three.
        scales: Factors of the image's sides.
        sliding_window: Height and width of the windows; `None` for none.
        stride: Pixels from window to window; `None` for two thirds of them.
        protocol: `"published"` for the reference's three columns, plain, flip, and
            several scales with flip, in one pass over the data; `None` for one
            evaluation with the options above.
        compare: Weights of another model, to be scored on the same images.
        submission: `.zip` file for predictions as Cityscapes' server wants them. A
            split without labels is then predicted and not scored.
        absent: What becomes of classes that are neither in the labels nor in the
            predictions: `"omit"` leaves them out of the mean, `"one"` counts them as 1.
        json_path: File for the returned dictionary; `None` for none.
        confusion_path: Prefix of two files for the confusion matrix, a table `.csv`
            and a picture `.png`; `None` for none.
        precision: `"float32"`, `"mixed_float16"` or `"mixed_bfloat16"`.
        devices: Names of devices to use; `None` for all accelerators.

    Returns:
        The scores as `score_dictionary` gives them, among them `miou`, and
        `num_images`, `seconds_per_image`, `weights`, `dataset`, `split`, `options`;
        with `protocol` and `compare` entries of that name, see `protocol_scores` and
        `comparison_scores`.

    Raises:
        InputError: For bad data, weights or arguments.
        StorageError: If a file cannot be written.
    """
    check_absent(absent)
    options = InferenceOptions(
        flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
    )
    listed = open_dataset(dataset, data_root, split)
    _check_scorable(listed, submission)
    contest = Contest.prepare(
        model, listed, weights, options, protocol, compare, precision
    )
    images = check_dataset(listed)  # last: it may take minutes
    seconds = _count(contest, images, batch_size, submission, device_scopes(devices))

    scores = {
        "num_images": len(images),
        "seconds_per_image": seconds / len(images),
        "weights": str(weights),
        "dataset": images.name,
        "split": split,
        **contest.notes(),
    }
    if images.labelled:
        confusion = contest.confusions[0]
        scores = {**score_dictionary(confusion, images.classes, absent), **scores}
        scores |= contest.scores(images, absent)
        print(report(scores))
        print(contest.report(scores), end="")
        _write_confusion(confusion.counts, images.classes.names, confusion_path)
    if json_path is not None:
        with replacing(Path(json_path)) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")
    return scores


def _check_scorable(listed: Samples, submission: str | Path | None) -> None:
    if submission is not None:
        check_submission(listed, submission)
    elif not listed.labelled:
        raise InputError(
            f"The {listed.split} split of {listed.name} has no labels to score "
            f"against; choose another split."
        )


def _count(contest: Contest, images: Samples, batch_size, submission, devices) -> float:
    """Goes over the images once; returns the seconds that it took."""
    started = time.perf_counter()
    name = f"{images.name} {images.split}"
    with ExitStack() as stack:
        sink = None
        if submission is not None:
            sink = stack.enter_context(writing_submission(images, submission))
        bar = stack.enter_context(tqdm(total=len(images), unit="image", desc=name))
        count(
            contest.predict,
            batches_of(images, batch_size),
            contest.confusions,
            progress=bar.update,
            sink=sink,
            devices=devices,
        )
    if submission is not None:
        print(f"{'submission':<24}{submission}, {len(images)} images")
    return time.perf_counter() - started


def _write_confusion(counts, names, prefix: str | Path | None) -> None:
    if prefix is not None:
        written = write_confusion(counts, names, prefix)
        print(f"{'confusion matrix':<24}{' and '.join(map(str, written))}")
