"""The evaluation run: mIoU and other scores of a model on a split of a data set."""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.classes import ClassSet, compare_classes
from keras_lraspp.data import check_dataset
from keras_lraspp.data.dataset import (
    SegmentationDataset,
    channels_of,
    check_model_channels,
    open_dataset,
)
from keras_lraspp.devices import device_scopes, precision_policy
from keras_lraspp.errors import InputError
from keras_lraspp.evaluation.loop import image_batches, update_confusions
from keras_lraspp.evaluation.scores import (
    PROTOCOL,
    comparison_scores,
    comparison_text,
    protocol_scores,
    protocol_table,
    score_dictionary,
    score_table,
)
from keras_lraspp.evaluation.submission import (
    check_submission,
    write_confusion,
    writing_submission,
)
from keras_lraspp.files import replacing
from keras_lraspp.inference.functions import (
    LabelFunction,
    nested_label_function,
)
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.metrics import ImageConfusion, check_absent_mode
from keras_lraspp.models.loading import ModelFactory, build_network, open_source
from keras_lraspp.prediction.predictors import (
    KerasPredictor,
    Predictor,
    is_exported,
    open_predictor,
)
from keras_lraspp.progress import ProgressBar
from keras_lraspp.schema import Count, check_call
from keras_lraspp.terminal import emphasize_head


def evaluate(
    *,
    dataset: Callable[..., SegmentationDataset],
    weights: str | Path,
    model: ModelFactory | None = None,
    data_root: str | Path | None = None,
    split: str = "val",
    batch_size: Count = 1,
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
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        weights: A `.keras` or `.weights.h5` file, weights of another code base
            (`.pdparams`, `.pth`, `.pt`, `.safetensors`), the name of a preset, or an
            exported file: `.onnx`, `.tflite`, or a SavedModel's folder.
        model: Called as `model(num_classes=...)`; `None` for the network that the
            weights name, as all but a `.weights.h5` file do.
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
    check_call("evaluate", evaluate, locals())
    check_absent_mode(absent)
    options = InferenceOptions(
        flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
    )
    listed = open_dataset(dataset, data_root, split)
    _check_dataset(listed, submission)
    _check_protocol(protocol, compare, options, weights)
    with precision_policy(precision):
        scored = load_scored_models(model, weights, listed, options, protocol, compare)
    images = check_dataset(listed)  # last: it may take minutes

    confusions = [
        ImageConfusion(images.num_classes, images.ignore_label)
        for _ in range(scored.predictions)
    ]
    started = time.perf_counter()
    _predict_images(
        scored, images, batch_size, confusions, submission, device_scopes(devices)
    )
    seconds = time.perf_counter() - started

    scores = {
        "num_images": len(images),
        "seconds_per_image": seconds / len(images),
        "weights": str(weights),
        "dataset": images.name,
        "split": split,
        "options": {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(options).items()
        },
    }
    if images.labelled:
        scores = {**score_dictionary(confusions[0], images.classes, absent), **scores}
        print(emphasize_head(score_table(scores)))
        if protocol:
            mious = [confusion.miou(absent) for confusion in confusions]
            about = scored.model, images, str(weights)
            scores["protocol"] = protocol_scores(mious, *about)
            print("\n" + emphasize_head(protocol_table(scores["protocol"])))
        if compare:
            compared = comparison_scores(*confusions, images.classes, absent)
            scores["compare"] = {"weights": str(compare), **compared}
            print(f"\n{comparison_text(scores['compare'])}")
        if confusion_path is not None:
            counts, names = confusions[0].counts, images.classes.names
            files = write_confusion(counts, names, confusion_path)
            print(f"{'confusion matrix':<24}{' and '.join(map(str, files))}")
    if json_path is not None:
        with replacing(Path(json_path)) as temporary:
            temporary.write_text(json.dumps(scores, indent=2) + "\n")
    return scores


def _check_dataset(listed: SegmentationDataset, submission: str | Path | None) -> None:
    if submission is not None:
        check_submission(listed, submission)
    elif not listed.labelled:
        raise InputError(
            f"The {listed.split} split of {listed.name} has no labels to score "
            f"against; choose another split."
        )


def _check_protocol(protocol, compare, options: InferenceOptions, weights) -> None:
    if protocol is None:
        return
    if protocol != "published":
        raise InputError(
            f"The only protocol is 'published', not {protocol!r}; correct it."
        )
    if compare:
        raise InputError(
            "--protocol scores one model three times and --compare two models once; "
            "leave out one of them."
        )
    if options != SINGLE_PASS:
        raise InputError(
            "--protocol=published has its own flip and scales; leave out --flip, "
            "--scales, --sliding_window and --stride."
        )
    if is_exported(weights):
        raise InputError(
            f"--protocol averages over passes, and {weights} is an exported file, "
            f"which sees the image once; give the .keras file."
        )


class ScoredModels(NamedTuple):
    """Predictions that are scored on the same images."""

    model: keras.Model | None  # the one evaluated; `None` for an exported file
    predictions: int  # of each image
    # From images (B, H, W, 3) to as many (B, H, W) of labels; the first is the one
    # that is reported in full.
    predict: Callable[[np.ndarray], Sequence[np.ndarray]]


def load_scored_models(
    factory: ModelFactory | None,
    weights: str | Path,
    images: SegmentationDataset,
    options: InferenceOptions,
    protocol: str | None = None,
    compare: str | Path | None = None,
) -> ScoredModels:
    """Loads the model to score and, if given, the one to compare it with.

    Both must be for the classes and channels of `images`.
    """
    model, labels = _load_scorer(factory, weights, images, options)
    if protocol:
        passes = [column.options for column in PROTOCOL]
        return ScoredModels(model, len(passes), nested_label_function(model, passes))
    if not compare:
        return ScoredModels(model, 1, lambda images: [labels(images)])
    _, others = _load_scorer(factory, compare, images, options, any_variant=True)
    return ScoredModels(model, 2, lambda images: [labels(images), others(images)])


def _load_scorer(
    factory: ModelFactory | None,
    weights: str | Path,
    images: SegmentationDataset,
    options: InferenceOptions,
    any_variant: bool = False,
) -> tuple[keras.Model | None, LabelFunction]:
    """Loads weights or an exported file, which has labels but no Keras model.

    With `any_variant` weights that name their network may be of another one than the
    factory's.
    """
    if is_exported(weights):
        predictor, known = open_predictor(weights, options)
        _check_model(weights, predictor, known, images)
        return None, predictor.labels
    source, channels = open_source(weights), channels_of(images)
    try:
        model, known, _ = build_network(source, factory, images.num_classes, channels)
    except InputError:
        if not any_variant or isinstance(source, Path):
            raise
        model, known, _ = build_network(source)
    predictor = KerasPredictor(model, options)
    _check_model(weights, predictor, known, images)
    return model, predictor.labels


def _check_model(
    weights: str | Path,
    predictor: Predictor,
    known: ClassSet | None,
    images: SegmentationDataset,
) -> None:
    """Refuses a model of other channels, numbers of classes, or order of them."""
    check_model_channels(str(weights), getattr(predictor, "channels", 3), images)
    if predictor.num_classes != images.num_classes:
        raise InputError(
            f"{weights} predicts {predictor.num_classes} classes, not "
            f"{images.num_classes}; it cannot be evaluated on these images."
        )
    if known is not None:
        compare_classes(known, images.classes, str(weights), "the data set")


def _predict_images(
    scored: ScoredModels,
    images: SegmentationDataset,
    batch_size: int,
    confusions: list[ImageConfusion],
    submission: str | Path | None,
    devices: Sequence,
) -> None:
    """Goes over the images once, with a progress bar."""
    name = f"{images.name} {images.split}"
    with ExitStack() as stack:
        sink = None
        if submission is not None:
            sink = stack.enter_context(writing_submission(images, submission))
        bar = stack.enter_context(ProgressBar(name, len(images), "images"))
        update_confusions(
            scored.predict,
            image_batches(images, batch_size),
            confusions,
            progress=bar.update,
            sink=sink,
            devices=devices,
        )
    if submission is not None:
        print(f"{'submission':<24}{submission}, {len(images)} images")
