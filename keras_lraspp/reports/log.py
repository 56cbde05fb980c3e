"""The log of a run, read back: one series of numbers per column."""

import csv
import math
from pathlib import Path
from typing import NamedTuple

import numpy as np

_THINNED = 600  # points of a curve: as many as a screen shows


class Series(NamedTuple):
    """A column of the log.

    Attributes:
        steps: float64 (n,), ascending.
        values: float64 (n,), finite.
    """

    steps: np.ndarray
    values: np.ndarray


EMPTY = Series(np.zeros(0), np.zeros(0))


def read_log(path: Path) -> dict[str, Series]:
    """Reads `log.csv`, also one that a run is still writing to.

    Rows that are cut off, and numbers that are not finite, are left out.

    Args:
        path: The file; a missing one is an empty log.

    Returns:
        The series by the column's name.
    """
    if not path.is_file():
        return {}
    points: dict[str, list[tuple[float, float]]] = {}
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        for row in csv.DictReader(file):
            step = _number(row.pop("step", None))
            for name, text in row.items():
                value = _number(text)
                if name is not None and not math.isnan(step + value):
                    points.setdefault(name, []).append((step, value))
    return {name: Series(*np.array(rows).T) for name, rows in points.items()}


def smoothed(series: Series) -> Series:
    """Returns the running mean over a fifteenth of the series, at least five points.

    Towards the ends the window shrinks, so that it stays in the middle.
    """
    count = len(series.values)
    reach = max(5, count // 15) // 2
    sums = np.concatenate([[0.0], np.cumsum(series.values)])
    places = np.arange(count)
    reach = np.minimum(reach, np.minimum(places, count - 1 - places))
    first, last = places - reach, places + reach + 1
    return Series(series.steps, (sums[last] - sums[first]) / (last - first))


def thinned(series: Series, most: int = _THINNED) -> Series:
    """Returns means of neighbouring points where there are more than `most`."""
    count = len(series.values)
    if count <= most:
        return series
    starts = np.arange(most) * count // most
    sizes = np.diff([*starts, count])
    return Series(*(np.add.reduceat(part, starts) / sizes for part in series))


def training_seconds(rates: Series, batch_size: int) -> float:
    """Returns the time that the steps took, from the logged images per second.

    Evaluation, saving and a run's first step are not in it. Since the log goes on over
    a resume, it is the time of all parts of a run.

    Args:
        rates: Images per second, each since the point before.
        batch_size: Images per step.
    """
    steps = np.diff(rates.steps, prepend=0.0)
    good = rates.values > 0
    return float((steps[good] * batch_size / rates.values[good]).sum())


def _number(text: str | None) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        return math.nan
    return value if math.isfinite(value) else math.nan
