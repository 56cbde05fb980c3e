"""The `check` command: a data set's problems and statistics as table and JSON."""

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np

from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.data.health import (
    FORMULA,
    Problem,
    SplitHealth,
    class_weights,
    find_duplicates,
    find_odd_classes,
    full_check_split,
)
from keras_lraspp.data.preview import contact_sheet
from keras_lraspp.errors import InputError
from keras_lraspp.files import write_text
from keras_lraspp.schema import Bounds, check_call


class Health(NamedTuple):
    """Problems and statistics of a data set."""

    splits: tuple[SplitHealth, ...]
    shared: tuple[Problem, ...]  # of several splits
    weights: np.ndarray | None  # suggested, of each class; nan where there is none

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All problems."""
        return tuple(problem for _, problem in self.problems_by_split())

    def problems_by_split(self) -> Iterator[tuple[str | None, Problem]]:
        """Yields all problems with the name of their split."""
        for split in self.splits:
            yield from ((split.split, problem) for problem in split.problems)
        yield from ((None, problem) for problem in self.shared)

    @property
    def listed(self) -> SegmentationDataset | None:
        """The first split that could be listed."""
        listed = (split.samples for split in self.splits)
        return next((samples for samples in listed if samples is not None), None)


def check(
    *,
    dataset: Callable[..., SegmentationDataset],
    data_root: str | Path | None = None,
    splits: Annotated[Sequence[str], Bounds(1, 100)] = ("train", "val"),
    json_path: str | Path | None = None,
    sheet_path: str | Path | None = None,
    workers: Annotated[int, Bounds(1, 1024)] | None = None,
    progress: bool = True,
) -> Health:
    """Checks every file of a data set, and reports all that is wrong with it.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        data_root: Folder of the data set, if not the data set's default.
        splits: The splits to look at; class weights come from the first.
        json_path: Where to write all of it.
        sheet_path: Where to write a PNG of some samples with their labels.
        workers: Files read at a time; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        Problems and statistics, if nothing serious is wrong.

    Raises:
        InputError: If something is wrong that would stop or spoil a training; all of it
            is printed and written before.
        StorageError: If a file cannot be written.
    """
    check_call("check", check, locals())
    factory = dataset if data_root is None else _with_root(dataset, data_root)
    checked = tuple(
        full_check_split(factory, split, progress=progress, workers=workers)
        for split in splits
    )
    pixels = next((one.pixels for one in checked if one.pixels is not None), None)
    weights = None if pixels is None else class_weights(pixels)
    shared = (*find_odd_classes(checked), *find_duplicates(checked))
    health = Health(checked, shared, weights)
    print("\n".join(_table(health)))
    for split, problem in health.problems_by_split():
        where = "" if split is None else f"{split}: "
        severity = "error" if problem.serious else "warning"
        message = problem.message.replace("\n", "\n    ")
        print(f"{severity}: {where}{problem.kind}: {message}")
    if json_path is not None:
        write_text(Path(json_path), json.dumps(_as_json(health), indent=1) + "\n")
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
    warned = ", but look at the warnings" if health.problems else ""
    print(f"nothing is wrong with it{warned}")
    return health


def _with_root(dataset: Callable[..., SegmentationDataset], root: str | Path):
    """Binds the folder, still showing which arguments the factory takes."""
    factory = functools.partial(dataset, root=root)
    factory.__signature__ = inspect.signature(dataset)
    return factory


def _table(health: Health) -> list[str]:
    """Returns a line for each split, and one for each class."""
    first = health.listed
    if first is None:
        return ["no split could be listed"]
    ignored = "none" if first.ignore_label is None else first.ignore_label
    lines = [f"{first.name}: {first.num_classes} classes, ignore label {ignored}", ""]
    lines += _columns([_SPLIT_TITLES, *map(_split_row, health.splits)])
    labelled = [one for one in health.splits if one.pixels is not None]
    if labelled:
        lines += ["", *_columns(_class_rows(labelled, health.weights))]
        if health.weights is not None:
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
        str(len(split.stats)),
        "-" if mean is None else f"{mean[0]:.0f}x{mean[1]:.0f}",
        _size_range(sizes),
        "-" if pixels is None else f"{_share(pixels[:, -1].sum(), pixels.sum())} %",
    )


def _size_range(sizes) -> str:
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
    """Aligns the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _as_json(health: Health) -> dict:
    first, weights = health.listed, health.weights
    if weights is not None:
        weights = [None if np.isnan(weight) else float(weight) for weight in weights]
    return {
        "dataset": None if first is None else first.name,
        "root": None if first is None else str(first.root),
        "classes": [] if first is None else list(first.classes.names),
        "ignore_label": None if first is None else first.ignore_label,
        "class_weights": weights,
        "class_weights_formula": FORMULA,
        "splits": {split.split: _split_as_json(split) for split in health.splits},
        "problems": [
            {"split": split, **problem._asdict()}
            for split, problem in health.problems_by_split()
        ],
    }


def _split_as_json(split: SplitHealth) -> dict:
    summary = {
        "images": 0 if split.samples is None else len(split.samples),
        "usable": len(split.stats),
        "mean_size": split.mean_size,
        "sizes": [[*size, count] for size, count in split.sizes.most_common()],
        "pixels": None,
        "ignored_pixels": None,
        "images_with_class": None,
    }
    if split.pixels is not None:
        counts = split.pixels[:, :-1]
        summary["pixels"] = counts.sum(axis=0).tolist()
        summary["ignored_pixels"] = int(split.pixels[:, -1].sum())
        summary["images_with_class"] = np.count_nonzero(counts, axis=0).tolist()
    return summary
