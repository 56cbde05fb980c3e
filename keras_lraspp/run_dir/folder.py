"""Output folder of a training: its lock, checkpoints and package versions."""

import contextlib
import json
import platform
import re
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import filelock
import keras

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import (
    TEMPORARY_PREFIX,
    package_versions,
    replacing,
    write_text,
)
from keras_lraspp.schema import Index, Share, parse_json

_STATE = "training_state.json"
_NAME = re.compile(r"step_(\d{8})\.keras")
_PACKAGES = (
    "keras-lraspp",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "gin-config",
)


class TrainingState(NamedTuple):
    """How far a training has come; all else follows from it and the config."""

    step: Index = 0  # steps done, which is also the data position
    evaluated_step: Index = 0  # of the newest evaluation
    best_step: Index = 0
    best_miou: Share | None = None
    best_ema_step: Index = 0  # of the averaged weights, if there are any
    best_ema_miou: Share | None = None


class CheckpointFolder:
    """The numbered checkpoints of one run: `step_00000600.keras` and so on."""

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
        save_checkpoint(model, path, state)
        for old in self.paths()[self.keep :]:
            old.unlink(missing_ok=True)
        return path

    def discard_after(self, step: int) -> None:
        """Removes the checkpoints of more than `step` steps, if an older one stays."""
        paths = self.paths()
        newer = [path for path in paths if int(_NAME.fullmatch(path.name)[1]) > step]
        if len(newer) < len(paths):
            for path in newer:
                path.unlink()

    def restore(self, load: Callable[[Path], None]) -> TrainingState | None:
        """Loads the newest whole checkpoint, falling back to the one before.

        Returns its state, or `None` if the folder has none.
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


def save_checkpoint(model: keras.Model, path: Path, state: TrainingState) -> None:
    """Writes model, optimizer and state into one `.keras` file, crash-safely."""
    with replacing(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(_STATE, json.dumps(state._asdict()))


def read_state(path: Path) -> TrainingState:
    """Reads a checkpoint's state after checking every checksum in the file."""
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            if damaged is not None:
                raise zipfile.BadZipFile(f"bad checksum of {damaged}")
            text = archive.read(_STATE)
        mend = "use another checkpoint"
        return parse_json(text, TrainingState, f"{path} {_STATE}", mend=mend)
    except InputError:
        raise
    except Exception as error:  # flipped bits raise many kinds
        raise InputError(
            f"{path} is not a whole checkpoint ({error}); use another one."
        ) from error


@contextlib.contextmanager
def run_folder(
    path: Path, checkpoints: CheckpointFolder, *, resume: bool
) -> Iterator[None]:
    """Makes and locks an output folder; an existing run in it needs `resume`.

    Temporary files that a killed run left are removed. The lock is the operating
    system's and goes with the process, however it ends.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path / ".lock", blocking=False)
        lock.acquire()
    except filelock.Timeout as error:
        raise StorageError(
            f"Another training writes to {path}; choose another --output_dir."
        ) from error
    except OSError as error:
        raise StorageError(
            f"Cannot write to the output folder {path}: {error.strerror or error}. "
            f"Choose another --output_dir."
        ) from error
    with lock:
        if checkpoints.paths() and not resume:
            raise InputError(
                f"{path} holds a run ({checkpoints.paths()[0].name}); go on with "
                f"--resume or choose another --output_dir."
            )
        for stray in [*path.rglob(f"{TEMPORARY_PREFIX}*")]:
            shutil.rmtree(stray, ignore_errors=True)
        yield


def write_versions(path: Path) -> None:
    """Writes what runs here: packages, backend, Python and machine, as JSON."""
    versions = {
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "packages": package_versions(_PACKAGES),
    }
    write_text(path, json.dumps(versions, indent=2) + "\n")
