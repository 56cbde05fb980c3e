"""The validation images that a report shows: the best and the worst."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.shards.reader import Shards
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.metrics import mean_of_classes
from keras_lraspp.report.page import Example, jpeg_uri, thumbnail_size
from keras_lraspp.run_dir.best_model import BEST, read_best
from keras_lraspp.run_dir.record import RUN_RECORD, RunRecord, read_run_record
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
    chosen: Sequence[Chosen],
    samples: SegmentationDataset,
    predict: LabelFunction,
    palette: Palette,
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


class Examples(NamedTuple):
    """The validation images on the page, and why there are no pictures, if so."""

    best: list[Example] = []
    worst: list[Example] = []
    present: frozenset[int] = frozenset()  # classes in the pictures
    missing: str = ""


def find_examples(
    folder: Path,
    predict: Callable[[], LabelFunction],
    data_root: str | Path | None = None,
    samples: SegmentationDataset | None = None,
) -> Examples:
    """Chooses the best and worst validation images and draws them.

    Args:
        folder: Of the run.
        predict: Returns the best model as a function; called if it is needed.
        data_root: Folder of the data set, if it was moved.
        samples: The validation set, if it is open.

    Returns:
        The images; without pictures, and with the reason, if they cannot be drawn.
    """
    best, notes = read_best(folder / BEST), read_run_record(folder / RUN_RECORD)
    if best is None:
        return Examples(missing="No evaluation is done yet, so there is no best model.")
    if best.confusion is None or notes is None:
        return Examples(
            missing="This run did not note the counts of its evaluations, so there are "
            "no scores of classes and images; `keras-lraspp evaluate` works them out."
        )
    if len(best.confusion.areas) != len(notes.validation):
        return Examples(
            missing="The best model was scored on other validation images than those "
            "of the run's last start, so none are shown."
        )
    chosen = choose(image_mious(best.confusion.areas))
    named = [nameless(part, notes.validation) for part in chosen]
    try:
        opened = _opened(notes, data_root) if samples is None else samples
        labels_of = predict()
        drawn = [draw(part, opened, labels_of, best.classes.palette) for part in chosen]
    except InputError as error:
        return Examples(*named, missing=f"The images cannot be shown. {error}")
    shown = (
        [one._replace(pictures=uris) for one, uris in zip(part, pictures, strict=True)]
        for part, (pictures, _) in zip(named, drawn, strict=True)
    )
    return Examples(*shown, frozenset().union(*(present for _, present in drawn)))


def _opened(notes: RunRecord, data_root: str | Path | None) -> SegmentationDataset:
    if notes.shards is None:
        return _moved(notes.validation, data_root)
    folder = notes.shards if data_root is None else data_root
    return Shards(folder, notes.validation.split)


def _moved(dataset: Dataset, data_root: str | Path | None) -> Dataset:
    if data_root is None:
        if not dataset.root.is_dir():
            raise InputError(
                f"The data set's folder {dataset.root} is gone; name its new place "
                f"with --data_root."
            )
        return dataset
    parts = {
        part: tuple(_below(path, dataset.root, Path(data_root)) for path in paths)
        for part, paths in (("images", dataset.images), ("labels", dataset.labels))
    }
    return dataclasses.replace(dataset, root=Path(data_root), **parts)


def _below(path: Path, old: Path, new: Path) -> Path:
    return new / path.relative_to(old) if path.is_relative_to(old) else path
