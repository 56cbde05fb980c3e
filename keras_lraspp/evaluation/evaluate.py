"""One evaluation: a model's score on a whole split of a data set."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from tqdm import tqdm

from keras_lraspp.data import check_dataset
from keras_lraspp.data.dataset import SegmentationDataset, open_dataset
from keras_lraspp.devices import device_scopes, precision_policy
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.loop import batches_of, count
from keras_lraspp.evaluation.scores import (
    COLUMNS,
    comparison_report,
    comparison_scores,
    protocol_report,
    protocol_scores,
    report,
    score_dictionary,
)
from keras_lraspp.evaluation.submission import (
    check_submission,
    write_confusion,
    writing_submission,
)
from keras_lraspp.files import replacing
from keras_lraspp.inference.functions import (
    LabelFunction,
    label_function,
    nested_label_function,
)
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions
from keras_lraspp.metrics import ImageConfusion, check_absent_mode
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.prediction.predictors import is_exported, open_predictor


def entrant(
    load: Callable[..., keras.Model],
    factory: Callable[..., keras.Model],
    weights: str | Path,
    classes: int,
    options: InferenceOptions,
) -> tuple[keras.Model | None, LabelFunction]:
    """Returns the model, if it is one, and its labels; an exported file has only these.

    Args:
        load: Called with the next three; makes a model.
        factory: Makes a network without weights.
        weights: A weights file, or an exported file.
        classes: Number of the data set's classes.
        options: What is done beside one pass over the image.

    Raises:
        InputError: For weights that do not fit, or an exported file with options.
    """
    if not is_exported(weights):
        model = load(factory, weights, classes)
        return model, label_function(model, options)
    predictor = open_predictor(weights, options).predictor
    if predictor.num_classes != classes:
        raise InputError(
            f"{weights} predicts {predictor.num_classes} classes, not {classes}; it "
            f"cannot be evaluated on these images."
        )
    return None, predictor.labels


def own_model(
    factory: Callable[..., keras.Model], weights: str | Path, classes: int
) -> keras.Model:
    """Loads weights of the configured network."""
    model = factory(num_classes=classes)
    load_weights(model, weights)
    return model


def other_model(
    factory: Callable[..., keras.Model], weights: str | Path, classes: int
) -> keras.Model:
    """Loads other weights; a `.keras` file may be of another variant."""
    try:
        return own_model(factory, weights, classes)
    except InputError:
        if not Path(weights).is_file() or not str(weights).endswith(".keras"):
            raise
        model = LRASPP.from_preset(weights)
        if model.num_classes != classes:
            raise InputError(
                f"{weights} predicts {model.num_classes} classes, not {classes}; it "
                f"cannot be compared on these images."
            ) from None
        return model


PUBLISHED = "published"


@dataclass(kw_only=True)
class Contest:
    """Predictions that are scored side by side, each with its confusion matrix.

    Attributes:
        predict: From images (B, H, W, 3) to one (B, H, W) per confusion matrix; the
            first is the one that is reported in full.
        confusions: One per prediction.
        model: The network that is evaluated; `None` for an exported file.
        options: What is done beside one pass over the image.
        protocol: `"published"` or `None`.
        compare: Weights of the other model, or `None`.
    """

    predict: Callable[[np.ndarray], Sequence[np.ndarray]]
    confusions: list[ImageConfusion]
    model: keras.Model | None
    options: InferenceOptions
    protocol: str | None
    compare: str | None

    @classmethod
    def prepare(
        cls,
        factory: Callable[..., keras.Model],
        images: SegmentationDataset,
        weights: str | Path,
        options: InferenceOptions,
        protocol: str | None,
        compare: str | Path | None,
        precision: str,
    ) -> "Contest":
        """Builds the networks and loads their weights; see `evaluate`.

        Raises:
            InputError: For weights that do not fit, or arguments that do not go
                together.
        """
        _check(options, protocol, compare)
        classes = images.num_classes
        if protocol and is_exported(weights):
            raise InputError(
                f"--protocol averages over passes, and {weights} is an exported file, "
                f"which sees the image once; give the .keras file."
            )
        with precision_policy(precision):
            model, labels = entrant(own_model, factory, weights, classes, options)
            others = []
            if compare:
                _, other = entrant(other_model, factory, compare, classes, options)
                others = [other]
        if protocol:
            predict = nested_label_function(model, [row.options for row in COLUMNS])
        else:
            predict = _each([labels, *others])
        count = len(COLUMNS) if protocol else 2 if compare else 1
        return cls(
            predict=predict,
            confusions=[
                ImageConfusion(classes, images.ignore_label) for _ in range(count)
            ],
            model=model,
            options=options,
            protocol=protocol,
            compare=str(compare) if compare else None,
        )

    def notes(self) -> dict:
        """Returns what was done, as JSON has it."""
        options = asdict(self.options).items()
        listed = {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in options
        }
        return {"options": listed}

    def scores(self, images: SegmentationDataset, absent: str) -> dict:
        """Returns the scores beside those of the first prediction.

        Args:
            images: The data set.
            absent: A key of `ABSENT`.
        """
        found = {}
        if self.protocol:
            mious = [confusion.miou(absent) for confusion in self.confusions]
            found["protocol"] = protocol_scores(mious, self.model, images)
        if self.compare:
            compared = comparison_scores(*self.confusions, images.classes, absent)
            found["compare"] = {"weights": self.compare, **compared}
        return found

    def report(self, scores: dict) -> str:
        """Writes what `scores` returned for people; empty if that is nothing."""
        parts = []
        if self.protocol:
            parts.append(protocol_report(scores["protocol"]))
        if self.compare:
            parts.append(comparison_report(scores["compare"], self.compare))
        return "".join(f"\n{part}\n" for part in parts)


def _check(options, protocol, compare) -> None:
    if protocol not in (None, PUBLISHED):
        raise InputError(
            f"The only protocol is {PUBLISHED!r}, not {protocol!r}; correct it."
        )
    if protocol and compare:
        raise InputError(
            "--protocol scores one model three times and --compare two models once; "
            "leave out one of them."
        )
    if protocol and options != DEFAULT:
        raise InputError(
            "--protocol=published has its own flip and scales; leave out --flip, "
            "--scales, --sliding_window and --stride."
        )


def _each(predictions: Sequence[LabelFunction]):
    return lambda images: [predict(images) for predict in predictions]


def evaluate(
    *,
    model: Callable[..., keras.Model],
    dataset: Callable[..., SegmentationDataset],
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
    check_absent_mode(absent)
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


def _check_scorable(listed: SegmentationDataset, submission: str | Path | None) -> None:
    if submission is not None:
        check_submission(listed, submission)
    elif not listed.labelled:
        raise InputError(
            f"The {listed.split} split of {listed.name} has no labels to score "
            f"against; choose another split."
        )


def _count(
    contest: Contest, images: SegmentationDataset, batch_size, submission, devices
) -> float:
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
