"""Many small files that are whole or not there, written without waiting for the disk.

Unlike `files.replacing`, which syncs each one: that would take longer than making
them. What a power cut spoils here can be made again.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

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
