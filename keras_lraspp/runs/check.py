"""A data set examined: a table, a JSON file and a sheet of samples."""

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.checking.class_weights import FORMULA, class_weights
from keras_lraspp.data.checking.duplicates import duplicates
from keras_lraspp.data.checking.health import Problem, SplitHealth, examine_split
from keras_lraspp.data.samples import Samples
from keras_lraspp.errors import InputError
from keras_lraspp.runs.checking.contact_sheet import contact_sheet
from keras_lraspp.runs.checking.table import table_lines
from keras_lraspp.runs.run_folder import write_text


class Health(NamedTuple):
    """What an examination came to."""

    splits: tuple[SplitHealth, ...]
    shared: tuple[Problem, ...]  # that concern several splits or none alone
    weights: np.ndarray | None  # suggested, of each class; nan where there is none

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems."""
        return tuple(p for split in self.splits for p in split.problems) + self.shared


def check(
    *,
    dataset: Callable[..., Samples],
    data_root: str | Path | None = None,
    splits: Sequence[str] = ("train", "val"),
    json_path: str | Path | None = None,
    sheet_path: str | Path | None = None,
    workers: int | None = None,
    progress: bool = True,
) -> Health:
    """Reads every file of a data set once, and says all that is wrong.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        data_root: Folder of the data set, if not the data set's default.
        splits: The splits to look at; class weights come from the first.
        json_path: Where to write all of it.
        sheet_path: Where to write a PNG of some samples with their labels.
        workers: Files read at a time; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        What was found, if nothing serious is wrong.

    Raises:
        InputError: If something is wrong that would stop or spoil a training; all of it
            is printed and written before.
        StorageError: If a file cannot be written.
    """
    listing = dataset if data_root is None else _with_root(dataset, data_root)
    looked_at = tuple(
        examine_split(listing, split, progress=progress, workers=workers)
        for split in splits
    )
    health = Health(looked_at, tuple(duplicates(looked_at)), _weights(looked_at))
    print("\n".join(table_lines(health.splits, health.weights)))
    _print_problems(health)
    if json_path is not None:
        write_text(Path(json_path), json.dumps(as_json(health), indent=1) + "\n")
        print(f"all of it is in {json_path}")
    if sheet_path is not None and contact_sheet(health.splits, Path(sheet_path)):
        print(f"samples with their labels are in {sheet_path}")
    serious = [problem for problem in health.problems if problem.serious]
    if serious:
        kinds = ", ".join(dict.fromkeys(problem.kind for problem in serious))
        raise InputError(
            f"{len(serious)} things are wrong with this data set ({kinds}); correct "
            "them as said above, or leave the files out."
        )
    print("nothing is wrong with it")
    return health


def as_json(health: Health) -> dict:
    """All that was found, as JSON has it."""
    first = next((split.samples for split in health.splits if split.samples), None)
    weights = health.weights
    return {
        "dataset": None if first is None else first.name,
        "root": None if first is None else str(first.root),
        "classes": [] if first is None else list(first.classes.names),
        "ignore_label": None if first is None else first.ignore_label,
        "class_weights": None
        if weights is None
        else [None if np.isnan(weight) else float(weight) for weight in weights],
        "class_weights_formula": FORMULA,
        "splits": {split.split: _split_as_json(split) for split in health.splits},
        "problems": [
            {"split": split, **problem._asdict()}
            for split, problems in (
                *((one.split, one.problems) for one in health.splits),
                (None, health.shared),
            )
            for problem in problems
        ],
    }


def _split_as_json(split: SplitHealth) -> dict:
    pixels = split.pixels
    return {
        "images": 0 if split.samples is None else len(split.samples),
        "usable": len(split.contents),
        "mean_size": split.mean_size,
        "sizes": [[*size, count] for size, count in split.sizes.most_common()],
        "pixels": None if pixels is None else pixels[:, :-1].sum(axis=0).tolist(),
        "ignored_pixels": None if pixels is None else int(pixels[:, -1].sum()),
        "images_with_class": None
        if pixels is None
        else np.count_nonzero(pixels[:, :-1], axis=0).tolist(),
    }


def _weights(splits: Sequence[SplitHealth]) -> np.ndarray | None:
    pixels = next((one.pixels for one in splits if one.pixels is not None), None)
    return None if pixels is None else class_weights(pixels)


def _print_problems(health: Health) -> None:
    parts = [(one.split, one.problems) for one in health.splits]
    for split, problems in (*parts, (None, health.shared)):
        for problem in problems:
            place = "" if split is None else f"{split}: "
            word = "error" if problem.serious else "warning"
            message = problem.message.replace("\n", "\n    ")
            print(f"{word}: {place}{problem.kind}: {message}")


def _with_root(dataset: Callable[..., Samples], root: str | Path):
    """The listing with a folder, still showing which arguments it takes."""
    listing = functools.partial(dataset, root=root)
    listing.__signature__ = inspect.signature(dataset)
    return listing
