"""Checkpoints that survive a crash: written beside, synced, then renamed.

A checkpoint is a `.keras` file (a zip whose members carry checksums) with one more
member, `training_state.json`: the step and the best result so far. Weights,
optimizer slots and progress thus become visible in a single rename.
"""

import json
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing

_STATE = "training_state.json"
_NAME = re.compile(r"step_(\d{8})\.keras")


class TrainingState(NamedTuple):
    """How far a training has come; all else follows from it and the config."""

    step: int = 0  # steps done, which is also the data position
    evaluated_step: int = 0  # of the newest evaluation
    best_step: int = 0
    best_miou: float | None = None  # in 0..1
    best_ema_step: int = 0  # of the averaged weights, if there are any
    best_ema_miou: float | None = None


def save_model(model: keras.Model, path: Path, state: TrainingState) -> None:
    """Writes model, optimizer and state into one `.keras` file, crash-safely.

    Raises:
        StorageError: If the file cannot be written; the old one is then intact.
    """
    with replacing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_STATE, json.dumps(state._asdict()))


def read_state(path: Path) -> TrainingState:
    """Reads a checkpoint's state after checking every checksum in the file.

    Raises:
        InputError: If the file is damaged or is not one of our checkpoints.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"bad checksum of {damaged}")
            return TrainingState(**json.loads(archive.read(_STATE)))
    except Exception as error:  # flipped bits raise many kinds
        raise InputError(
            f"{path} is not a whole checkpoint ({error}); use another one."
        ) from error


class CheckpointFolder:
    """The numbered checkpoints of one run: `step_00000600.keras` and so on.

    Args:
        folder: Where they lie; made at the first save.
        keep: How many of the newest stay.
    """

    def __init__(self, folder: Path, keep: int = 3):
        if keep < 1:
            raise InputError(f"keep is at least 1 checkpoint, not {keep}.")
        self.folder = folder
        self.keep = keep

    def paths(self) -> list[Path]:
        """Returns the checkpoints, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(found, reverse=True)

    def save(self, model: keras.Model, state: TrainingState) -> Path:
        """Writes a checkpoint and removes those beyond `keep`."""
        path = self.folder / f"step_{state.step:08d}.keras"
        save_model(model, path, state)
        for old in self.paths()[self.keep :]:
            old.unlink(missing_ok=True)
        return path

    def discard_after(self, step: int) -> None:
        """Removes the checkpoints of more than `step` steps, if an older one stays."""
        newer = [path for path in self.paths() if _step(path) > step]
        if len(newer) < len(self.paths()):
            for path in newer:
                path.unlink()

    def restore(self, load: Callable[[Path], None]) -> TrainingState | None:
        """Loads the newest whole checkpoint, falling back to the one before.

        Args:
            load: Fills model and optimizer from a path.

        Returns:
            The state of the one loaded, or `None` if the folder has none.

        Raises:
            InputError: If there are checkpoints and none of them is whole.
        """
        paths = self.paths()
        for path in paths:
            try:
                state = read_state(path)
            except InputError as error:
                warnings.warn(f"Falling back: {error}", stacklevel=2)
                continue
            load(path)
            return state
        if paths:
            raise InputError(
                f"None of the {len(paths)} checkpoints in {self.folder} is whole; "
                f"start again in another output folder."
            )
        return None


def _step(path: Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])
