"""The folder a training writes to: one run at a time, nothing half-written."""

import contextlib
import json
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import filelock
import keras

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import TEMPORARY_PREFIX, write_text
from keras_lraspp.training.checkpoints import CheckpointFolder

_PACKAGES = (
    "keras-lraspp",
    "keras",
    "tensorflow",
    "jax",
    "torch",
    "numpy",
    "gin-config",
)


@contextlib.contextmanager
def run_folder(path: Path, *, keep: int, resume: bool) -> Iterator[CheckpointFolder]:
    """Makes and locks an output folder.

    Temporary files that a killed run left are removed. The lock is the operating
    system's and goes with the process, however it ends.

    Args:
        path: The folder.
        keep: Checkpoints to keep.
        resume: Whether a run that is there is to go on.

    Yields:
        The checkpoints in the folder.

    Raises:
        StorageError: If the folder cannot be written, or another run uses it.
        InputError: If it holds a run and `resume` is false.
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
        checkpoints = CheckpointFolder(path / "checkpoints", keep)
        if checkpoints.paths() and not resume:
            raise InputError(
                f"{path} holds a run ({checkpoints.paths()[0].name}); go on with "
                f"--resume or choose another --output_dir."
            )
        for stray in [*path.rglob(f"{TEMPORARY_PREFIX}*")]:
            shutil.rmtree(stray, ignore_errors=True)
        yield checkpoints


def write_versions(path: Path) -> None:
    """Writes what runs here: packages, backend, Python and machine, as JSON."""
    packages = {}
    for name in _PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            packages[name] = metadata.version(name)
    versions = {
        "backend": keras.backend.backend(),
        "python": platform.python_version(),
        "machine": platform.platform(),
        "packages": packages,
    }
    write_text(path, json.dumps(versions, indent=2) + "\n")
