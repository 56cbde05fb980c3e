"""A folder that appears whole or not at all."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

from keras_lraspp.errors import StorageError
from keras_lraspp.files import TEMPORARY_PREFIX

# A folder that nobody has written into for so long (seconds) was left by a process that
# was killed.
_STALE = 600.0


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yields a folder beside `folder` that takes its place at the end.

    Its name is `.tmp-`, that of `folder`, and something. What earlier processes left
    under such a name when they were killed is removed.

    Args:
        folder: What to make; not there, or empty. A link is followed.

    Raises:
        StorageError: If it cannot be written; nothing is left then.
    """
    folder = folder.resolve()
    prefix = f"{TEMPORARY_PREFIX}{folder.name}-"
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder.parent, prefix)
        temporary = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
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


def _remove_leftovers(parent: Path, prefix: str) -> None:
    for path in parent.iterdir():
        if path.name.startswith(prefix) and path.is_dir():
            if time.time() - _last_written(path) > _STALE:
                shutil.rmtree(path, ignore_errors=True)


def _last_written(folder: Path) -> float:
    """When something was last written into a folder, in seconds; files may vanish."""
    times = [0.0]
    for path in (folder, *folder.iterdir()):
        with contextlib.suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


def _cannot_write(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"Cannot write {folder}: {reason}. Free some space or choose another folder."
