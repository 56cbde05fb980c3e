"""A data set examined: a table, a JSON file and a sheet of samples."""

import functools
import inspect
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.data.health import (
    FORMULA,
    Problem,
    SplitHealth,
    class_weights,
    duplicates,
    examine_split,
)
from keras_lraspp.data.preview import contact_sheet
from keras_lraspp.errors import InputError
from keras_lraspp.files import write_text


def table_lines(splits: Sequence[SplitHealth], weights: np.ndarray | None) -> list[str]:
    """Writes what is in a data set as lines of text.

    Args:
        splits: What was found.
        weights: Suggested weight of each class, nan where there is none; or `None`.

    Returns:
        A line for each split, and one for each class.
    """
    first = next((one.samples for one in splits if one.samples is not None), None)
    if first is None:
        return ["no split could be listed"]
    ignored = "none" if first.ignore_label is None else first.ignore_label
    lines = [f"{first.name}: {first.num_classes} classes, ignore label {ignored}", ""]
    lines += _columns([_SPLIT_TITLES, *map(_split_row, splits)])
    labelled = [one for one in splits if one.pixels is not None]
    if labelled:
        lines += ["", *_columns(_class_rows(labelled, weights))]
        if weights is not None:
            lines += ["", f"weight: {FORMULA}"]
    return [*lines, ""]


_SPLIT_TITLES = ("split", "images", "usable", "mean size", "sizes", "ignored")


def _split_row(split: SplitHealth) -> tuple[str, ...]:
    if split.samples is None:
        return (split.split, "0", "0", "-", "-", "-")
    mean, sizes, pixels = split.mean_size, split.sizes, split.pixels
    return (
        split.split,
        str(len(split.samples)),
        str(len(split.contents)),
        "-" if mean is None else f"{mean[0]:.0f}x{mean[1]:.0f}",
        _sizes(sizes),
        "-" if pixels is None else f"{_share(pixels[:, -1].sum(), pixels.sum())} %",
    )


def _sizes(sizes) -> str:
    if not sizes:
        return "-"
    smallest, largest = (
        "x".join(str(choose(size[axis] for size in sizes)) for axis in (0, 1))
        for choose in (min, max)
    )
    return smallest if len(sizes) == 1 else f"{len(sizes)}: {smallest} to {largest}"


def _class_rows(splits: Sequence[SplitHealth], weights) -> list[tuple[str, ...]]:
    titles, columns = ["class"], [list(splits[0].samples.classes.names)]
    for split in splits:
        titles += [f"{split.split} %", "in images"]
        counts = split.pixels[:, :-1]
        total = counts.sum()
        columns.append([_share(count, total) for count in counts.sum(axis=0)])
        columns.append([str(n) for n in np.count_nonzero(counts, axis=0)])
    if weights is not None:
        titles.append("weight")
        columns.append(["-" if np.isnan(w) else f"{w:.3f}" for w in weights])
    return [tuple(titles), *zip(*columns, strict=True)]


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f}" if whole else "-"


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if place == 0 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


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
    dataset: Callable[..., SegmentationDataset],
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


def _with_root(dataset: Callable[..., SegmentationDataset], root: str | Path):
    """The listing with a folder, still showing which arguments it takes."""
    listing = functools.partial(dataset, root=root)
    listing.__signature__ = inspect.signature(dataset)
    return listing
