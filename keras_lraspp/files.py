"""Safe reading, crash-safe writing, SHA-256, and versions of packages."""

import contextlib
import errno
import glob
import hashlib
import importlib.metadata
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from keras_lraspp.errors import InputError, StorageError, UserError

# What is being written lies in a folder of such a name until it is renamed.
TEMPORARY_PREFIX = ".tmp-"

# A temporary folder that nobody has written into for so long (seconds) was left by a
# process that was killed.
_STALE = 600.0

# What to do about an error of writing, where the disk is not to blame.
_ADVICE = {
    errno.EISDIR: "Move the folder of that name away.",
    errno.ENAMETOOLONG: "Choose a shorter name.",
}
# Opens a pipe at once, also one that nobody writes into.
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def open_regular(path: str | Path, most_bytes: int | None = None) -> BinaryIO:
    """Opens a regular file for reading, never a pipe, socket or device.

    Those would keep the reader waiting, or give bytes without end. Links are followed.

    Args:
        path: The file.
        most_bytes: The largest size that makes sense; `None` for any.

    Raises:
        InputError: If it is no regular file, or larger than `most_bytes`.
        OSError: As `open` does: if it is missing, a folder, or may not be read.
    """
    try:
        file = open(path, "rb", opener=lambda name, how: os.open(name, how | _AT_ONCE))
    except ValueError as error:  # a null byte
        raise InputError(f"{str(path)!r} is no path ({error}); correct it.") from error
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise InputError(f"{path} is a socket, not a file; give a file.") from error
    status = os.fstat(file.fileno())
    kind = _KINDS.get(stat.S_IFMT(status.st_mode))
    if kind is not None:
        file.close()
        raise InputError(f"{path} is {kind}, not a file; give a file.")
    if most_bytes is not None and status.st_size > most_bytes:
        file.close()
        raise InputError(_too_many_bytes(path, most_bytes))
    return file


def read_regular(path: str | Path, most_bytes: int) -> bytes:
    """Reads a regular file whole; raises what `open_regular` does."""
    with open_regular(path, most_bytes) as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:  # it grew, or does not tell its size
        raise InputError(_too_many_bytes(path, most_bytes))
    return content


def check_regular(path: str | Path) -> None:
    """Raises what `open_regular` does, before a library opens the file by itself."""
    open_regular(path).close()


def _too_many_bytes(path: str | Path, most_bytes: int) -> str:
    return f"{path} has more than {most_bytes} bytes; give a smaller file."


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Writes a file atomically: yields a temporary path that is renamed to `path`.

    On an error nothing is left of the temporary file, and `path` is as it was.

    Args:
        path: The file to write or replace. Its folder is made if missing.
        sync: Whether to sync the file to the disk before the rename, so that even a
            power cut leaves either the old file or the new one, whole. Without, as for
            many small files that can be made again, it may leave an empty one; see
            `is_whole`.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
    """
    with _temporary_folder(path.parent, path) as folder:
        temporary = folder / path.name
        yield temporary
        if sync:
            _sync(temporary)
        os.replace(temporary, path)
        if sync:
            _sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Writes a text file atomically, in UTF-8; names that are not, by their bytes."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Writes a folder atomically: yields a temporary one that is renamed to `folder`.

    The temporary folder stands beside `folder` and has its name in its own. Those that
    earlier processes left there when they were killed are removed.

    Args:
        folder: The folder to make; not there, or empty. A link is followed.

    Raises:
        StorageError: If it cannot be written; nothing is left then.
    """
    folder = folder.resolve()
    prefix = f"{TEMPORARY_PREFIX}{folder.name}-"
    _remove_stale(folder.parent.glob(f"{glob.escape(prefix)}*"))
    with _temporary_folder(folder.parent, folder, prefix) as temporary:
        yield temporary
        temporary.chmod(0o755)  # mkdtemp's is for its owner only
        os.replace(temporary, folder)


@contextlib.contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Yields a hidden folder inside `folder`, which is gone at the end.

    Being on the same file system, what is made in it can be renamed into `folder`, see
    `put_in_place`. A server that watches `folder` for numbers does not see it.

    Args:
        folder: Is made if missing.

    Raises:
        StorageError: If the disk is full or the folder cannot be written.
        UserError: As raised inside, in words of `folder` itself.
    """
    with _temporary_folder(folder, folder) as hidden:
        try:
            yield hidden
        except UserError as error:
            # The user asked for DIR/model.onnx and knows of no other place.
            message = str(error).replace(str(hidden), str(folder))
            raise type(error)(message) from error


def put_in_place(made: Path, target: Path) -> None:
    """Renames a file or folder; what has the name `target` is replaced.

    A folder cannot replace another in a single step: the old one is moved beside
    `made` first, and back if the second step fails. Files are synced to the disk first.

    Args:
        made: The file or folder, in a folder of `staging`.
        target: On the same file system.

    Raises:
        OSError: If it cannot be renamed.
    """
    for file in (made, *made.rglob("*")):
        if file.is_file():
            _sync(file)
    replaced = made.parent / f"replaced-{target.name}"
    if target.is_dir():
        os.replace(target, replaced)
    try:
        os.replace(made, target)
    except OSError:
        if replaced.exists():
            os.replace(replaced, target)
        raise


@contextlib.contextmanager
def _temporary_folder(
    parent: Path, target: Path, prefix: str = TEMPORARY_PREFIX
) -> Iterator[Path]:
    """Yields a folder in `parent`, gone at the end; disk errors name `target`."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=prefix, dir=parent)
        try:
            yield Path(temporary)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except StorageError:
        raise
    except OSError as error:
        advice = _ADVICE.get(error.errno, "Free some space or choose another folder.")
        raise StorageError(
            f"Cannot write {target}: {error.strerror or error}. {advice}"
        ) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_whole(path: Path) -> bool:
    """Whether a file that was written with `sync=False` is there."""
    # It gets its name when it is written, but a power cut may still empty it.
    try:
        return path.stat().st_size > 0
    except FileNotFoundError:
        return False


def walk_files(folder: Path, refused: list[Path] | None = None) -> Iterator[Path]:
    """Yields the files below a folder, also of linked folders; hidden ones left out.

    A folder comes once: links to where the walk has been already are passed over, so
    that one which leads back does no harm. `refused` gets the folders that may not be
    read.

    Raises:
        InputError: If the folders are deeper than Python walks.
    """
    try:
        yield from _walk_files(folder, [] if refused is None else refused)
    except RecursionError as error:
        raise InputError(
            f"The folders in {folder} are too deep; give one of them."
        ) from error


def _walk_files(folder: Path, refused: list[Path]) -> Iterator[Path]:
    seen: set[tuple[int, int]] = set()
    waiting = [folder]  # it, and links to folders, which come after what is really here
    while waiting:
        top = waiting.pop(0)
        walk = os.walk(top, onerror=lambda error: refused.append(Path(error.filename)))
        for parent, folders, names in walk:
            status = os.stat(parent)
            if (status.st_dev, status.st_ino) in seen:
                folders.clear()
                continue
            seen.add((status.st_dev, status.st_ino))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            linked = (Path(parent, name) for name in folders)
            waiting += (path for path in linked if path.is_symlink())
            yield from (Path(parent, name) for name in names if name[0] != ".")


def remove_leftovers(root: Path, folders: str) -> None:
    """Removes temporary folders of processes that were killed some time ago.

    `folders` is the pattern of the folders below `root` that hold them, as `"*/*/*"`.
    """
    _remove_stale(root.glob(f"{folders}/{TEMPORARY_PREFIX}*"))


def _remove_stale(folders: Iterable[Path]) -> None:
    for folder in folders:
        with contextlib.suppress(OSError):  # another process finishes or removes it
            last = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - last > _STALE:
                shutil.rmtree(folder, ignore_errors=True)


def sha256(path: str | Path, open_file: Callable = open) -> str:
    """Returns the SHA-256 of a file, in hexadecimal.

    Args:
        path: The file.
        open_file: Called as `open_file(path, "rb")`; `tf.io.gfile.GFile` also opens
            `gs://` paths.
    """
    digest = hashlib.sha256()
    with open_file(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def package_versions(names: Iterable[str]) -> dict[str, str]:
    """Returns the versions of those packages that are installed."""
    versions = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return versions
