"""Which validation images a report shows, and why it shows none, if so."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.data.dataset import Dataset, Samples
from keras_lraspp.data.shards.reader import Shards
from keras_lraspp.errors import InputError
from keras_lraspp.inference.labels import LabelFunction
from keras_lraspp.reports.page import Example
from keras_lraspp.runs.best_model import BEST, read_best
from keras_lraspp.runs.reporting.examples import choose, draw, image_mious, nameless
from keras_lraspp.runs.training.notes import NOTES, RunNotes, read_notes


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
    samples: Samples | None = None,
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
    best, notes = read_best(folder / BEST), read_notes(folder / NOTES)
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


def _opened(notes: RunNotes, data_root: str | Path | None) -> Samples:
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
