"""Metric logging of a run: writes and reads `log.csv`, writes TensorBoard events."""

import csv
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.files import read_regular, replacing
from keras_lraspp.run_dir.settings import read_settings, scalar_settings

CONFIG = "config.gin"  # in the folder of a run

_LARGEST_LOG = 256 << 20  # bytes
_SCREEN_POINTS = 600  # of a curve: as many as a screen shows
_COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "images_per_second",
    "miou",
    "pixel_accuracy",
    "miou_ema",
)


class MetricLogger:
    """Logs scalars by step, as CSV and for TensorBoard, and images for TensorBoard.

    TensorBoard also gets the hyper-parameters that `config.gin` in the folder has. A
    context manager: its end tells TensorBoard whether the run failed.

    Args:
        folder: Gets `log.csv` and, beside it, so that TensorBoard calls the run like
            the folder, the events.
        start_step: Step of a resume; rows of the CSV beyond it are dropped, so that
            the file reads as if the run had never been stopped.
    """

    def __init__(self, folder: Path, start_step: int = 0):
        # TensorFlow writes the events whatever the backend trains with.
        import tensorflow as tf

        self._summary = tf.summary
        self._events = tf.summary.create_file_writer(str(folder))
        self._log_settings(folder)
        self._path = folder / "log.csv"
        rows = [
            {name: row.get(name) for name in _COLUMNS}
            for row in _read_rows(self._path)
            if _number(row.get("step")) <= start_step
        ]
        with replacing(self._path) as new, open(new, "w", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def __enter__(self):
        """Returns itself."""
        return self

    def __exit__(self, kind, *_):
        """Closes the events."""
        from tensorboard.plugins.hparams import api_pb2, summary

        status = api_pb2.STATUS_FAILURE if kind else api_pb2.STATUS_SUCCESS
        self._write_summary(summary.session_end_pb(status))
        self._events.close()

    def _log_settings(self, folder: Path) -> None:
        """Writes the hyper-parameters, for TensorBoard's table of runs."""
        from tensorboard.plugins.hparams import api

        path = folder / CONFIG
        text = path.read_text(errors="replace") if path.is_file() else ""
        values = scalar_settings(read_settings(text))
        # Without a name of its own a run is one with others of the same values.
        trial = "/".join(folder.absolute().parts[-2:])
        self._write_summary(api.hparams_pb(values, trial_id=_valid(trial)))

    def _write_summary(self, summary) -> None:
        with self._events.as_default(0):
            content = summary.SerializeToString()
            self._summary.experimental.write_raw_pb(content, step=0)

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row; `values` has keys among the columns of the CSV."""
        with open(self._path, "a", newline="") as file:
            csv.DictWriter(file, _COLUMNS).writerow({"step": step, **values})
        with self._events.as_default(step):
            for name, value in values.items():
                self._summary.scalar(name, value)
        self._events.flush()

    def log_image(
        self, step: int, name: str, image: np.ndarray, description: str = ""
    ) -> None:
        """Writes an image, uint8 RGB (H, W, 3), under `name`."""
        with self._events.as_default(step):
            self._summary.image(_valid(name), image[None], description=description)
        self._events.flush()


def _valid(name: str) -> str:
    """Makes UTF-8 of a file's name that is none."""
    return name.encode(errors="backslashreplace").decode()


class Series(NamedTuple):
    """A column of the log."""

    steps: np.ndarray  # float64 (n,), ascending
    values: np.ndarray  # float64 (n,), finite


EMPTY_SERIES = Series(np.zeros(0), np.zeros(0))


def read_log(path: Path) -> dict[str, Series]:
    """Reads `log.csv` by column, also one that a run is still writing to.

    Rows that are cut off, and numbers that are not finite, are left out.
    """
    points: dict[str, list[tuple[float, float]]] = {}
    for row in _read_rows(path):
        step = _number(row.pop("step", None))
        for name, text in row.items():
            value = _number(text)
            if name is not None and not math.isnan(step + value):
                points.setdefault(name, []).append((step, value))
    return {name: Series(*np.array(rows).T) for name, rows in points.items()}


def _read_rows(path: Path) -> Iterator[dict]:
    """Reads the rows of a CSV, but for those that are none; none of a missing file."""
    if not path.is_file():
        return
    text = read_regular(path, _LARGEST_LOG).decode(errors="replace")
    reader = csv.DictReader(text.splitlines())
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # a field that is too long
            continue


def smooth(series: Series) -> Series:
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


def downsample(series: Series, most: int = _SCREEN_POINTS) -> Series:
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
