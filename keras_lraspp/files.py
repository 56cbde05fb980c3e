"""Files that are either whole or not there: written beside, synced, renamed."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from keras_lraspp.errors import StorageError

TEMPORARY_PREFIX = ".tmp-"


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary path whose file takes `path`'s place at the end.

    The file is synced to the disk before the rename, so that a crash at any moment
    leaves either the old file or the new one, whole. On an error the temporary
    file is removed.

    Args:
        path: The file to write or replace. Its folder is made if missing.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=path.parent)
    except OSError as error:
        raise StorageError(_cannot_write(path, error)) from error
    temporary = Path(folder) / path.name
    try:
        yield temporary
        _sync(temporary)
        os.replace(temporary, path)
        _sync(path.parent)
    except OSError as error:
        raise StorageError(_cannot_write(path, error)) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            os.rmdir(folder)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _cannot_write(path: Path, error: OSError) -> str:
    reason = error.strerror or error
    return f"Cannot write {path}: {reason}. Free some space or choose another folder."
