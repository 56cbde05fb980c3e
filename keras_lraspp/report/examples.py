"""Best and worst validation images of a report, with labels and predictions."""

import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.data.shards.reader import Shards
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import LabelFunction
from keras_lraspp.metrics import mean_of_classes
from keras_lraspp.report.page import Example, data_uri, thumbnail_size
from keras_lraspp.run_dir.best_model import BEST, read_best
from keras_lraspp.run_dir.record import RUN_RECORD, RunRecord, read_run_record
from keras_lraspp.visualize import Palette, overlay, rgb_picture

_MOST_SHOWN = 4  # of the best, and of the worst


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
        index: Example(_image_name(record.validation, index), float(mious[index]))
        for index in (*best, *worst)
    }
    present, missing = set(), ""
    try:
        if samples is None:
            samples = _open_validation_set(record, data_root)
            if isinstance(samples, Dataset):
                _check_inside(samples, examples)
        predict, palette = load_predictor(), scored.classes.palette
        drawn = {
            index: _draw_example(samples, index, predict, palette) for index in examples
        }
    except InputError as error:
        missing = f"The images cannot be shown. {error}"
    else:
        for index, (pictures, labels) in drawn.items():
            examples[index] = examples[index]._replace(pictures=pictures)
            present |= labels
    return Examples(
        best=[examples[index] for index in best],
        worst=[examples[index] for index in worst],
        present=frozenset(present),
        missing=missing,
    )


def image_mious(areas: Sequence[np.ndarray]) -> np.ndarray:
    """Returns the mIoU of each image alone, float64 (n,); nan if no pixel counts.

    `areas` are those of `ImageConfusion`, int64 (2, C): intersections and unions.
    """
    hits, unions = np.moveaxis(np.asarray(areas, np.float64), 1, 0)
    iou = np.full(hits.shape, np.nan)
    np.divide(hits, unions, out=iou, where=unions > 0)
    return mean_of_classes(iou)


def best_and_worst(mious: np.ndarray) -> tuple[list[int], list[int]]:
    """Returns indices of the best images, best first, and the worst, worst first.

    No image is in both; of equal ones the earlier comes first; nan is left out.
    """
    order = np.argsort(-mious, kind="stable").tolist()
    order = [index for index in order if not np.isnan(mious[index])]
    best = order[: min(_MOST_SHOWN, (len(order) + 1) // 2)]
    return best, order[len(best) :][-_MOST_SHOWN:][::-1]


def _image_name(dataset: Dataset, index: int) -> str:
    path = dataset.images[index]
    inside = path.is_relative_to(dataset.root)
    return (path.relative_to(dataset.root) if inside else path).as_posix()


def _open_validation_set(
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


def _draw_example(
    samples: SegmentationDataset, index: int, predict: LabelFunction, palette: Palette
) -> tuple[tuple[str, str, str], set[int]]:
    """Draws image, truth and prediction as data URIs; also returns their classes."""
    image, truth = (np.asarray(part) for part in samples.load(index))
    thumbnail = _resize(rgb_picture(image), Image.Resampling.LANCZOS)
    pictures, present = [thumbnail], set()
    for labels in (truth, predict(image[None])[0]):
        present |= {int(label) for label in np.unique(labels) if label < len(palette)}
        small = _resize(labels.astype(np.int32), Image.Resampling.NEAREST)
        pictures.append(overlay(thumbnail, small, palette))
    return tuple(data_uri(picture, "jpeg") for picture in pictures), present


def _resize(pixels: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
    size = thumbnail_size(*pixels.shape[:2])
    return np.array(Image.fromarray(pixels).resize(size, resampling))
