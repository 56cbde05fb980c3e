"""Best and worst validation images of a report, with labels and predictions."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.shards.reader import Shards
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.metrics import mean_of_classes
from keras_lraspp.palettes import Palette, picture_palette
from keras_lraspp.report.page import (
    Example,
    ExamplePicture,
    data_uri,
    percent,
    thumbnail_size,
)
from keras_lraspp.report.wrong_pixels import (
    WRONG_IN_BOTH,
    mark_pixels,
    resize_picture,
    wrong_marks,
)
from keras_lraspp.run_dir.best_model import BEST, read_best
from keras_lraspp.run_dir.record import RUN_RECORD, RunRecord, read_run_record
from keras_lraspp.visualize import overlay, rgb_picture

_MOST_SHOWN = 4  # of the best, and of the worst
_MOST_NAMED = 3  # classes that lower an image's mIoU
_LOW = 0.5  # IoU of a class that does


class Examples(NamedTuple):
    """The validation images on the page, and why there are no pictures, if so."""

    best: list[Example] = []
    worst: list[Example] = []
    present: frozenset[int] = frozenset()  # classes in the pictures
    missing: str = ""


def find_examples(
    folder: Path,
    load_predictor: Callable[[], LabelFunction],
    data_root: str | Path | None = None,
    samples: SegmentationDataset | None = None,
) -> Examples:
    """Chooses the best and worst validation images and draws them.

    `load_predictor` returns the best model as a function, and is called if that is
    needed; `samples` is the validation set, if it is open. Without pictures the images
    come with the reason.
    """
    scored, record = read_best(folder / BEST), read_run_record(folder / RUN_RECORD)
    if scored is None:
        return Examples(missing="No evaluation is done yet, so there is no best model.")
    if scored.confusion is None or record is None:
        return Examples(
            missing="This run did not note the counts of its evaluations, so there are "
            "no scores of classes and images; `keras-lraspp evaluate` works them out."
        )
    if len(scored.confusion.areas) != len(record.validation):
        return Examples(
            missing="The best model was scored on other validation images than those "
            "of the run's last start, so none are shown."
        )
    mious = image_mious(scored.confusion.areas)
    best, worst = best_and_worst(mious)
    examples = {
        index: Example(
            image_name(record.validation, index),
            f"mIoU {percent(float(mious[index]))} %",
            describe_image(scored.confusion.areas[index], scored.classes.names),
        )
        for index in (*best, *worst)
    }

    def load() -> tuple[SegmentationDataset, dict[str, LabelFunction]]:
        opened = samples
        if opened is None:
            opened = open_validation_set(record, data_root, examples)
        return opened, {"": load_predictor()}

    present, missing = draw_examples(examples, load, picture_palette(scored.classes))
    return Examples(
        best=[examples[index] for index in best],
        worst=[examples[index] for index in worst],
        present=present,
        missing=missing,
    )


def draw_examples(
    examples: dict[int, Example],
    load: Callable[[], tuple[SegmentationDataset, Mapping[str, LabelFunction]]],
    palette: Palette,
) -> tuple[frozenset[int], str]:
    """Puts pictures into examples, by numbers of images; into all, or into none.

    Args:
        examples: What is drawn, changed in place.
        load: Returns the validation set, and the models as `draw_example` takes them.
        palette: RGB, 0..255, of each class.

    Returns:
        The classes in the pictures, and why there are none, if so.
    """
    try:
        samples, predictors = load()
        drawn = {
            index: draw_example(samples, index, predictors, palette)
            for index in examples
        }
    except InputError as error:
        return frozenset(), f"The images cannot be shown. {error}"
    for index, (pictures, _) in drawn.items():
        examples[index] = examples[index]._replace(pictures=pictures)
    return frozenset().union(*(labels for _, labels in drawn.values())), ""


def image_mious(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mIoU of each image alone, float64 (n,); nan if no pixel counts.

    `areas` are those of `ImageConfusion`, int64 (2, C): intersections and unions.
    """
    return mean_of_classes(image_ious(areas))


def wrong_shares(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the share of wrong pixels of each image, float64 (n,); nan of none."""
    hits, unions = np.moveaxis(np.asarray(areas, np.int64), 1, 0).sum(2)
    pixels = (hits + unions) / 2  # a wrong one is in two classes' unions
    wrong = np.full(pixels.shape, np.nan)
    return np.divide(pixels - hits, pixels, out=wrong, where=pixels > 0)


def describe_image(areas: np.ndarray, names: Sequence[str]) -> str:
    """Says what the mIoU of one image is the mean of, and which classes lower it."""
    iou, unions = image_ious([areas])[0], areas[1]
    order = np.lexsort((-unions, iou))  # of those with the same IoU the largest first
    present = [int(label) for label in order if not np.isnan(iou[label])]
    low = [label for label in present[:_MOST_NAMED] if iou[label] < _LOW]
    lowest = ", ".join(f"{names[label]} {percent(float(iou[label]))}" for label in low)
    return (
        f"{percent(float(wrong_shares([areas])[0]))} % of its pixels are wrong · "
        f"{len(present)} class{'es' * (len(present) != 1)} in labels or prediction"
        f"{f', lowest IoU: {lowest}' if low else ''}"
    )


def image_ious(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Returns float64 (n, C) of areas (n, 2, C); nan where a class does not occur."""
    hits, unions = np.moveaxis(np.asarray(areas, np.float64), 1, 0)
    iou = np.full(hits.shape, np.nan)
    return np.divide(hits, unions, out=iou, where=unions > 0)


def best_and_worst(mious: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns indices of the best images, best first, and the worst, worst first.

    No image is in both; of equal ones the earlier comes first; nan is left out.
    """
    order = np.argsort(-mious, kind="stable").tolist()
    order = [index for index in order if not np.isnan(mious[index])]
    best = order[: min(_MOST_SHOWN, (len(order) + 1) // 2)]
    return best, order[len(best) :][-_MOST_SHOWN:][::-1]


def image_name(dataset: SegmentationDataset, index: int) -> str:
    """Names an image by its path in the data set's folder, or its record."""
    path = Path(dataset.source(index))
    inside = path.is_relative_to(dataset.root)
    return (path.relative_to(dataset.root) if inside else path).as_posix()


def open_validation_set(
    record: RunRecord, data_root: str | Path | None, indices: Iterable[int]
) -> SegmentationDataset:
    """Opens the validation set of a run, of which these images are to be shown.

    Raises:
        InputError: If it is gone, or one of the images is outside of its folder.
    """
    samples = _open_recorded(record, data_root)
    if isinstance(samples, Dataset):
        _check_inside(samples, indices)
    return samples


def _open_recorded(
    record: RunRecord, data_root: str | Path | None
) -> SegmentationDataset:
    dataset = record.validation
    if record.shards is not None:
        folder = record.shards if data_root is None else data_root
        return Shards(folder, dataset.split)
    if data_root is None:
        if not dataset.root.is_dir():
            raise InputError(
                f"The data set's folder {dataset.root} is gone; name its new place "
                f"with --data_root."
            )
        return dataset
    old, new = dataset.root, Path(data_root)

    def moved(paths: Sequence[Path]) -> tuple[Path, ...]:
        return tuple(
            new / path.relative_to(old) if path.is_relative_to(old) else path
            for path in paths
        )

    return dataclasses.replace(
        dataset, root=new, images=moved(dataset.images), labels=moved(dataset.labels)
    )


def _check_inside(dataset: Dataset, indices: Iterable[int]) -> None:
    """Refuses files outside of the data set's folder, also by links.

    A record that somebody else wrote could show any picture of this machine.
    """
    root = os.path.join(os.path.realpath(dataset.root), "")
    for index in indices:
        for path in (dataset.images[index], dataset.labels[index]):
            if not os.path.realpath(path).startswith(root):
                raise InputError(
                    f"{path} is outside of the data set's folder {dataset.root}; move "
                    f"it there, or name another folder with --data_root."
                )


def draw_example(
    samples: SegmentationDataset,
    index: int,
    predictors: Mapping[str, LabelFunction],
    palette: Palette,
) -> tuple[tuple[ExamplePicture, ...], set[int]]:
    """Draws an image, its truth, and what each model finds and has wrong in it.

    Args:
        samples: The validation set.
        index: Which of its images.
        predictors: The models by what they are called on the page: one, or two.
        palette: RGB, 0..255, of each class.

    Returns:
        Pictures, column by column: image and truth, then prediction and wrong pixels of
        each model; and the classes in them.
    """
    image, truth = (np.asarray(part) for part in samples.load(index))
    size = thumbnail_size(*truth.shape)
    thumbnail = resize_picture(rgb_picture(image), size, Image.Resampling.LANCZOS)
    found = {name: predict(image[None])[0] for name, predict in predictors.items()}
    marks = {
        name: wrong_marks(truth, labels, len(palette)) for name, labels in found.items()
    }
    in_all = np.logical_and.reduce([mask for _, (mask, _) in marks.values()])
    present: set[int] = set()

    def draw(labels: np.ndarray) -> np.ndarray:
        present.update(int(one) for one in np.unique(labels) if one < len(palette))
        small = labels.astype(np.int32)
        small = resize_picture(small, size, Image.Resampling.NEAREST)
        return overlay(thumbnail, small, palette)

    drawn = [("image", thumbnail), ("truth", draw(truth))]
    for name, labels in found.items():
        if len(found) > 1:
            marks[name].append((in_all, WRONG_IN_BOTH))
        drawn.append((f"prediction {name}".strip(), draw(labels)))
        drawn.append(
            (f"wrong pixels {name}".strip(), mark_pixels(thumbnail, marks[name]))
        )
    pictures = (
        ExamplePicture(what, data_uri(pixels, "jpeg")) for what, pixels in drawn
    )
    return tuple(pictures), present
