"""What a run writes down while it goes: `log.csv` and TensorBoard events."""

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

_COLUMNS = (
    "step",
    "loss",
    "learning_rate",
    "images_per_second",
    "miou",
    "pixel_accuracy",
    "miou_ema",
)


class Journal:
    """Scalars by step, as CSV and for TensorBoard; pictures for TensorBoard.

    Args:
        folder: Gets `log.csv` and `tensorboard/`.
        start_step: Step of a resume; rows of the CSV beyond it are dropped, so that
            the file reads as if the run had never been stopped.
    """

    def __init__(self, folder: Path, start_step: int = 0):
        # TensorFlow writes the events whatever the backend trains with.
        import tensorflow as tf

        self._summary = tf.summary
        self._events = tf.summary.create_file_writer(str(folder / "tensorboard"))
        self._path = folder / "log.csv"
        rows = [row for row in self._read() if int(row["step"]) <= start_step]
        with open(self._path, "w", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one row; `values` has keys among the columns of the CSV."""
        with open(self._path, "a", newline="") as file:
            csv.DictWriter(file, _COLUMNS).writerow({"step": step, **values})
        with self._events.as_default(step):
            for name, value in values.items():
                self._summary.scalar(name, value)
        self._events.flush()

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        """Writes a picture, uint8 RGB (H, W, 3), under `name`."""
        with self._events.as_default(step):
            self._summary.image(name, picture[None])
        self._events.flush()

    def _read(self) -> list[dict]:
        if not self._path.exists():
            return []
        with open(self._path, newline="") as file:
            return list(csv.DictReader(file))
