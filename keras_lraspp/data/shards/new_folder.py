"""A folder that appears whole or not at all."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from keras_lraspp.errors import StorageError
from keras_lraspp.files import TEMPORARY_PREFIX


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yields a folder beside `folder` that takes its place at the end.

    Args:
        folder: What to make; not there, or empty.

    Raises:
        StorageError: If it cannot be written; nothing is left then.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder.parent))
    except OSError as error:
        raise StorageError(_cannot_write(folder, error)) from error
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner only
        os.replace(temporary, folder)
    except (OSError, tf.errors.OpError) as error:
        raise StorageError(_cannot_write(folder, error)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _cannot_write(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"Cannot write {folder}: {reason}. Free some space or choose another folder."
