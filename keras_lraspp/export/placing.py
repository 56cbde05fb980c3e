"""Exports that become visible whole: made in a hidden folder, then renamed."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_lraspp.errors import StorageError, UserError
from keras_lraspp.files import TEMPORARY_PREFIX


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields a hidden folder inside `folder`, which is gone at the end.

    Being on the same file system, what is made in it can be renamed into `folder`. A
    server that watches `folder` for numbers does not see it. If the process is killed
    it stays behind, under a name that says so.

    Args:
        folder: Is made if missing.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
        UserError: As raised inside, in words of `folder` itself.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        hidden = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder)
        try:
            yield Path(hidden)
        except UserError as error:
            # The user asked for DIR/model.onnx and knows of no other place.
            message = str(error).replace(str(hidden), str(folder))
            raise type(error)(message) from error
        finally:
            shutil.rmtree(hidden, ignore_errors=True)
    except StorageError:
        raise
    except OSError as error:
        raise StorageError(
            f"Cannot write {folder}: {error.strerror or error}. Free some space or "
            f"choose another folder."
        ) from error


def put_in_place(made: Path, target: Path) -> None:
    """Renames a file or folder; what has the name `target` is replaced.

    A folder cannot replace another in a single step: the old one is moved beside
    `made` first, and back if the second step fails.

    Args:
        made: The file or folder, in a folder of `staging`.
        target: On the same file system.

    Raises:
        OSError: If it cannot be renamed.
    """
    replaced = made.parent / f"replaced-{target.name}"
    if target.is_dir():
        os.replace(target, replaced)
    try:
        os.replace(made, target)
    except OSError:
        if replaced.exists():
            os.replace(replaced, target)
        raise
