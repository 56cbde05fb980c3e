"""Files that are either whole or not there: written beside, synced, renamed."""

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from keras_lraspp.errors import StorageError, UserError

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


_END = ".tmp"

# A temporary file older than this (seconds) was left by a process that died.
_STALE = 600.0


def write_whole(path: Path, save: Callable[[Path], object]) -> None:
    """Writes a file beside its place and renames it.

    Args:
        path: The file; its folder is made if missing.
        save: Writes the file whose path it is given, which ends in `.tmp`.

    Raises:
        OSError: If it cannot be written; nothing is left then.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_END}")
    try:
        save(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_whole(path: Path) -> bool:
    """Whether a file that `write_whole` writes is there."""
    # It gets its name when it is written, but a power cut may still empty it.
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def remove_leftovers(root: Path, folders: str) -> None:
    """Removes temporary files of processes that were killed some time ago.

    Args:
        root: Top of the tree.
        folders: Pattern of the folders below it that hold them, as `"*/*/*"`.
    """
    for path in root.glob(f"{folders}/.*{_END}"):
        if time.time() - path.stat().st_mtime > _STALE:
            path.unlink(missing_ok=True)


# A folder that nobody has written into for so long (seconds) was left by a process that
# was killed.


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
        raise StorageError(_cannot_write_folder(folder, error)) from error
    try:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner only
        os.replace(temporary, folder)
    except OSError as error:
        raise StorageError(_cannot_write_folder(folder, error)) from error
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


def _cannot_write_folder(folder: Path, error: Exception) -> str:
    reason = getattr(error, "strerror", None) or error
    return f"Cannot write {folder}: {reason}. Free some space or choose another folder."


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


def write_text(path: Path, text: str) -> None:
    """Writes a text file crash-safely."""
    with replacing(path) as temporary:
        temporary.write_text(text)
