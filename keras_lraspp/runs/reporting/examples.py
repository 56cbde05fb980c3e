"""The validation images that a report shows: the best and the worst."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset, Samples
from keras_lraspp.inference.labels import LabelFunction
from keras_lraspp.metrics import mean_of_classes
from keras_lraspp.reports.page import Example
from keras_lraspp.reports.pictures import jpeg_uri, thumbnail_size
from keras_lraspp.visualize import Palette, overlay

SHOWN = 4  # of the best, and of the worst


class Chosen(NamedTuple):
    """An image by its place in the data set, and its own mIoU, 0..1."""

    index: int
    miou: float


def image_mious(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mIoU of each image alone, float64 (n,).

    Args:
        areas: Of `ImageConfusion`: per image int64 (2, C), intersections and unions.

    Returns:
        Means over the classes that are in the image's labels or predictions; nan for
        an image where no pixel counts.
    """
    hits, unions = np.moveaxis(np.asarray(areas, np.float64), 1, 0)
    iou = np.full(hits.shape, np.nan)
    np.divide(hits, unions, out=iou, where=unions > 0)
    return mean_of_classes(iou)


def choose(mious: np.ndarray) -> tuple[list[Chosen], list[Chosen]]:
    """Returns the best images, best first, and the worst, worst first.

    No image is in both; of equal ones the earlier comes first. Images where no pixel
    counts are left out.
    """
    order = [i for i in np.argsort(-mious, kind="stable") if not np.isnan(mious[i])]
    ranked = [Chosen(int(index), float(mious[index])) for index in order]
    best = ranked[: min(SHOWN, (len(ranked) + 1) // 2)]
    return best, ranked[len(best) :][-SHOWN:][::-1]


def nameless(chosen: Sequence[Chosen], dataset: Dataset) -> list[Example]:
    """Returns the images with their names and scores, without pictures."""
    return [Example(_name(one.index, dataset), one.miou) for one in chosen]


def draw(
    chosen: Sequence[Chosen], samples: Samples, predict: LabelFunction, palette: Palette
) -> tuple[list[tuple[str, str, str]], set[int]]:
    """Draws image, truth and prediction of each.

    Args:
        chosen: The images.
        samples: The data set that they were chosen from.
        predict: The best model; see `label_function`.
        palette: RGB, 0..255, of each class.

    Returns:
        The pictures as data URIs, and the classes that are in the labels or
        predictions.

    Raises:
        InputError: If a file cannot be read.
    """
    drawn, present = [], set()
    for one in chosen:
        image, truth = (np.asarray(part) for part in samples.load(one.index))
        masks = truth, predict(image[None])[0]
        small = _resized(image, Image.Resampling.LANCZOS)
        pictures = [small]
        for mask in masks:
            present |= {int(label) for label in np.unique(mask) if label < len(palette)}
            shrunk = _resized(mask.astype(np.int32), Image.Resampling.NEAREST)
            pictures.append(overlay(small, shrunk, palette))
        drawn.append(tuple(map(jpeg_uri, pictures)))
    return drawn, present


def _resized(pixels: np.ndarray, how: Image.Resampling) -> np.ndarray:
    size = thumbnail_size(*pixels.shape[:2])
    return np.array(Image.fromarray(pixels).resize(size, how))


def _name(index: int, dataset: Dataset) -> str:
    path = dataset.images[index]
    inside = path.is_relative_to(dataset.root)
    return (path.relative_to(dataset.root) if inside else path).as_posix()
