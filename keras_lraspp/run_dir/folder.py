"""Output folder of a training: its lock, checkpoints and package versions."""

import contextlib
import json
import os
import platform
import re
import shutil
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import filelock
import keras

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import (
    TEMPORARY_PREFIX,
    check_regular,
    package_versions,
    replacing,
    write_text,
)
from keras_lraspp.schema import Bounds, Index, Share, parse_json
from keras_lraspp.weights.keras_archive import read_keras_archive

_STATE = "training_state.json"
_NAME = re.compile(r"step_(\d{8,})\.keras")
_ASIDE = ".damaged"  # in place of `.keras`; of a checkpoint or a best model
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
    # Of the images since the last line of the log, whose mean loss the next one says.
    loss_total: float = 0.0
    loss_count: Annotated[float, Bounds(0)] = 0.0


class CheckpointFolder:
    """The numbered checkpoints of one run: `step_00000600.keras` and so on.

    Only whole ones count: a damaged one gets another name, and what was written last,
    or resumed from last, stays whatever else lies in the folder.
    """

    def __init__(self, folder: Path, keep: int = 3):
        if keep < 1:
            raise InputError(f"keep is at least 1 checkpoint, not {keep}.")
        self.folder = folder
        self.keep = keep
        self._whole: dict[Path, tuple] = {}  # stamps of those that were found whole

    def paths(self) -> list[Path]:
        """Returns the checkpoints, whole or not, newest first."""
        if not self.folder.is_dir():
            return []
        found = [path for path in self.folder.iterdir() if _NAME.fullmatch(path.name)]
        return sorted(filter(Path.is_file, found), key=_step_of, reverse=True)

    def save(self, model: keras.Model, state: TrainingState) -> Path:
        """Writes a checkpoint and removes whole ones beyond `keep`."""
        path = self.folder / f"step_{state.step:08d}.keras"
        save_checkpoint(model, path, state)
        self._whole[path] = _stamp(path)
        others = [other for other in self.paths() if other != path]
        if len(others) >= self.keep:
            others = [other for other in others if self._keep_whole(other)]
            for old in others[self.keep - 1 :]:
                old.unlink(missing_ok=True)
        return path

    def discard_after(self, step: int) -> None:
        """Removes the checkpoints of more than `step` steps, if a whole one stays."""
        newer = [path for path in self.paths() if _step_of(path) > step]
        older = [path for path in self.paths() if _step_of(path) <= step]
        if any(map(self._keep_whole, older)):
            for path in newer:
                path.unlink(missing_ok=True)

    def restore(self, load: Callable[[Path], None]) -> TrainingState | None:
        """Loads the newest whole checkpoint, falling back to the one before.

        Returns its state, or `None` if the folder has none. Damaged ones that are newer
        are put aside, so that this is said once.
        """
        paths, damaged = self.paths(), []
        for path in paths:
            try:
                state = self._read(path)
            except InputError as error:
                damaged.append((path, error))
                continue
            load(path)
            for newer, error in damaged:
                put_aside(newer, f"Falling back: {error}")
            return state
        if paths:
            raise InputError(
                f"None of the {len(paths)} checkpoints in {self.folder} is whole "
                f"({damaged[0][1]}); start again in another output folder."
            )
        return None

    def _keep_whole(self, path: Path) -> bool:
        """Says whether a checkpoint is whole, and puts it aside if it is not."""
        if self._whole.get(path) == _stamp(path):
            return True
        try:
            self._read(path)
        except InputError as error:
            put_aside(path, str(error))
            return False
        return True

    def _read(self, path: Path) -> TrainingState:
        try:
            check_regular(path)
        except OSError as error:  # which says nothing about what is in it
            raise StorageError(
                f"Cannot read the checkpoint {path}: {error.strerror}. Make it "
                f"readable, or move it away to go on from the one before."
            ) from error
        stamp = _stamp(path)
        read_keras_archive(path)
        state = read_state(path)
        if state.step != _step_of(path):
            raise InputError(
                f"{path} is not a whole checkpoint (its state is that of step "
                f"{state.step}); give it the name that it had."
            )
        self._whole[path] = stamp
        return state


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


def put_aside(path: Path, why: str) -> None:
    """Renames a damaged file of a run, so that it no longer counts, and says so."""
    aside = path.with_suffix(_ASIDE)
    os.replace(path, aside)
    kept = len([*path.parent.glob(f"*{_ASIDE}")])
    warnings.warn(
        f"{why} It is kept as {aside.name}; {kept} such in {path.parent}, which may be "
        f"deleted.",
        stacklevel=3,
    )


def _step_of(path: Path) -> int:
    return int(_NAME.fullmatch(path.name)[1])


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Returns what changes with a file's content; `None` if it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


@contextlib.contextmanager
def run_folder(
    path: Path, checkpoints: CheckpointFolder, *, resume: bool
) -> Iterator[None]:
    """Makes and locks an output folder; an existing run in it needs `resume`.

    Temporary files that a killed run left are removed. The lock is the operating
    system's and goes with the process, however it ends; on a file system that has none
    it is a file with the process's number.
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
        found = [*checkpoints.paths(), *path.glob("best*.keras")]
        if found and not resume:
            raise InputError(
                f"{path} holds a run ({found[0].name}); go on with --resume or choose "
                f"another --output_dir."
            )
        for folder in (path, checkpoints.folder):  # not what others write below
            for stray in [*folder.glob(f"{TEMPORARY_PREFIX}*")]:
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
