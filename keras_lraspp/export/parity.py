"""Parity of exported models and the Keras model: equal labels, or an equal mIoU."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import SegmentationDataset, open_dataset
from keras_lraspp.errors import InputError, UserError
from keras_lraspp.inference.functions import LabelFunction, image_channels
from keras_lraspp.metrics import ConfusionMatrix
from keras_lraspp.progress import ProgressBar

SMALLEST_AGREEMENT = 0.999  # share of pixels with the same label
LARGEST_LOSS = 0.01  # of mIoU, in 0..1

_KINDS = {"saved_model": "SavedModel", "onnx": "ONNX file", "litert": "LiteRT file"}

Call = Callable[[np.ndarray], np.ndarray]


class ParityError(UserError):
    """An exported model gives other labels than the Keras model."""


@dataclass(frozen=True, kw_only=True)
class ParityReport:
    """How an exported file compares with the Keras model that it was made of.

    Attributes:
        path: The file or folder.
        format: `"saved_model"`, `"onnx"` or `"litert"`.
        precision: `"float32"`, or that of its weights.
        runtime: Name and version of the runtime that ran it.
        sizes: (height, width) of the images that were compared.
        given_images: How many of them were given; the others were drawn.
        pixels: Number of pixels of all images.
        agreement: Share of pixels with the same label.
        max_logit_difference: Largest difference of a logit; `None` if not compared.
        largest_logit: Largest magnitude of the Keras model's logits.
    """

    path: Path
    format: str
    precision: str
    runtime: str
    sizes: tuple[tuple[int, int], ...]
    given_images: int
    pixels: int
    agreement: float
    max_logit_difference: float | None
    largest_logit: float

    def as_dict(self) -> dict:
        """Returns it for JSON; of the path only the name."""
        return {**asdict(self), "path": self.path.name}


def check_parity(
    model: keras.Model,
    labels: Call,
    logits: Call | None,
    *,
    sides: tuple[int | None, int | None],
    images: Iterable[np.ndarray],
    path: Path,
    format: str,
    runtime: str,
    precision: str = "float32",
    must_agree: bool = True,
) -> ParityReport:
    """Compares an exported model with the Keras model, image by image.

    `labels` and `logits` are the exported model, of uint8 images (1, H, W, C). The
    images, uint8 (H, W, C), are resized to `sides` where these are fixed. Drawn
    ones are compared as well, of two odd sizes if any will do. Raises `ParityError` if
    labels have another shape, scores are not finite or, with `must_agree`, too few
    labels are equal.
    """
    given = [resize_to(image, sides) for image in images]
    channels = image_channels(model)
    drawn = [draw_image(*size, channels) for size in drawn_sizes(model, sides)]
    compared = given + drawn
    equal, pixels, difference, largest = 0, 0, 0.0, 0.0
    for image in compared:
        scores = keras.ops.convert_to_numpy(model(image, training=False))
        _require_finite(scores, "The Keras model")
        found = labels(image)
        _check_shape(scores.shape[:-1], found.shape, "The exported model")
        equal += int(np.sum(found == scores.argmax(-1)))
        pixels += found.size
        largest = max(largest, float(np.abs(scores).max()))
        if logits is not None:
            found = logits(image)
            _require_finite(found, f"The {_KINDS[format]} for {path}")
            difference = max(difference, float(np.abs(found - scores).max()))
    if must_agree:
        _require_agreement(equal / pixels, f"The {_KINDS[format]} for {path}")
    return ParityReport(
        path=path,
        format=format,
        precision=precision,
        runtime=runtime,
        sizes=tuple(image.shape[1:3] for image in compared),
        given_images=len(given),
        pixels=pixels,
        agreement=equal / pixels,
        max_logit_difference=None if logits is None else difference,
        largest_logit=largest,
    )


def check_agreement(expected: np.ndarray, found: np.ndarray, what: str) -> float:
    """Returns the share of equal labels; raises ParityError for too few or shapes."""
    _check_shape(expected.shape, found.shape, what)
    agreement = float(np.mean(expected == found))
    _require_agreement(agreement, what)
    return agreement


def _check_shape(expected: tuple, found: tuple, what: str) -> None:
    if found != expected:
        raise ParityError(
            f"{what} gives labels {found} where the Keras model gives {expected}; "
            f"nothing was exported."
        )


def _require_finite(scores: np.ndarray, what: str) -> None:
    if not np.isfinite(scores).all():
        raise ParityError(
            f"{what} gives scores that are NaN or infinite; give finite weights. "
            f"Nothing was exported."
        )


def _require_agreement(agreement: float, what: str) -> None:
    if not agreement >= SMALLEST_AGREEMENT:  # nan, too
        raise ParityError(
            f"{what} gives the Keras model's labels on {agreement:.2%} of the pixels, "
            f"less than {SMALLEST_AGREEMENT:.1%}; nothing was exported."
        )


def drawn_sizes(
    model: keras.Model, sides: Sequence[int | None]
) -> list[tuple[int, int]]:
    """Returns the sizes to compare at: the fixed one, or two odd ones."""
    smallest = getattr(model, "smallest_side", 1)
    heights, widths = max(smallest, 97), max(smallest, 161)
    sizes = [
        (sides[0] or heights + grown, sides[1] or widths + grown) for grown in (0, 30)
    ]
    return sizes[:1] if None not in sides else sizes


def draw_image(height: int, width: int, channels: int = 3) -> np.ndarray:
    """Draws a colourful uint8 image (1, height, width, channels), always the same."""
    ys = np.linspace(0, 1, height)[:, None, None]
    xs = np.linspace(0, 1, width)[None, :, None]
    rng = np.random.default_rng(0)
    waves = sum(
        np.sin(2 * np.pi * (fy * ys + fx * xs + rng.uniform(size=channels))) / frequency
        for frequency, (fy, fx) in enumerate(rng.uniform(-8, 8, (8, 2)), 1)
    )
    pixels = 127.5 + 127.5 * waves / np.abs(waves).max()
    return np.rint(pixels).astype(np.uint8)[None]


def resize_to(image: np.ndarray, sides: Sequence[int | None]) -> np.ndarray:
    """Resizes an image (H, W, C) to (1, *sides, C); a side `None` stays its own."""
    height, width = (
        fixed or own for fixed, own in zip(sides, image.shape[:2], strict=True)
    )
    if image.shape[:2] != (height, width):
        # One by one: Pillow knows few numbers of channels, and weights by alpha.
        planes = map(Image.fromarray, np.moveaxis(image, -1, 0))
        size = width, height
        image = np.stack([plane.resize(size, Image.BILINEAR) for plane in planes], -1)
    return image[None]


def compare_miou(
    model: LabelFunction,
    exported: LabelFunction,
    samples: SegmentationDataset,
    count: int,
    sides: tuple[int, int],
    what: str,
) -> dict:
    """Compares the mIoU of an exported file with the Keras model's.

    At most `count` samples, evenly over all, are resized to `sides`. Returns the entry
    of `deploy.json`. Raises `ParityError` if `what` loses more than `LARGEST_LOSS`, or
    nothing can be counted.
    """
    indices = evenly_spaced(samples, count)
    ours, theirs = (
        ConfusionMatrix(samples.num_classes, samples.ignore_label) for _ in range(2)
    )
    with ProgressBar("certificate", len(indices), "images") as progress:
        for index in indices:
            image, labels = samples.load(index)
            image = resize_to(np.asarray(image), sides)
            truth = Image.fromarray(np.asarray(labels).astype("int32"))
            truth = np.asarray(truth.resize(sides[::-1], Image.NEAREST))[None]
            ours.update(truth, model(image))
            theirs.update(truth, exported(image))
            progress.update()
    change = theirs.miou() - ours.miou()
    if not change >= -LARGEST_LOSS:  # nan, too
        raise ParityError(
            f"{what} has a mIoU of {theirs.miou():.2%} where the Keras model has "
            f"{ours.miou():.2%}, on {len(indices)} images of {samples.name} "
            f"{samples.split}; it may lose {LARGEST_LOSS:.0%}. Nothing was exported."
        )
    return {
        "miou": theirs.miou(),
        "model_miou": ours.miou(),
        "miou_change": change,
        "images": len(indices),
        "dataset": samples.name,
        "split": samples.split,
    }


def open_split(
    dataset: Callable[..., SegmentationDataset] | None,
    data_root,
    split: str,
    num_classes: int,
    needed_for: str | None,
) -> SegmentationDataset | None:
    """Opens a split; `None` if it is missing, but neither named nor needed."""
    if dataset is None:
        if needed_for or data_root is not None:
            raise InputError(
                f"{needed_for or '--data_root'} needs a data set; name it with "
                f"--dataset, or bind export.dataset, as the shipped configurations do."
            )
        return None
    try:
        found = open_dataset(dataset, data_root, split)
    except InputError as error:
        if needed_for is None and data_root is None:
            return None
        reason = f"{needed_for or '--data_root'} needs the data set. "
        raise InputError(reason + str(error)) from error
    if needed_for and found.num_classes != num_classes:
        raise InputError(
            f"{needed_for} needs a data set of the model's {num_classes} classes; "
            f"{found.name} has {found.num_classes}."
        )
    return found


def evenly_spaced(samples: SegmentationDataset, count: int) -> list[int]:
    """Returns the numbers of at most `count` samples, evenly over all."""
    places = np.linspace(0, len(samples) - 1, min(count, len(samples)))
    return np.rint(places).astype(int).tolist()


def load_images(
    samples: SegmentationDataset | None, count: int
) -> Iterator[np.ndarray]:
    """Yields at most `count` images, uint8 (H, W, C), evenly over the data set."""
    for index in evenly_spaced(samples, count) if samples is not None else ():
        yield np.asarray(samples.load(index)[0])
