"""The table that the data doctor prints."""

from collections.abc import Sequence

import numpy as np

from keras_lraspp.data.checking.class_weights import FORMULA
from keras_lraspp.data.checking.health import SplitHealth


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
