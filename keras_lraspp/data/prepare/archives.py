"""Zip archives of data sets: unpack what is missing, refuse what is harmful."""

import functools
import importlib
import shutil
import stat
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import ModuleType
from typing import NamedTuple

from keras_lraspp.errors import InputError, StorageError, abbreviate
from keras_lraspp.files import open_regular, replacing
from keras_lraspp.parallel import map_processes

_KINDS = (".png", ".json", ".txt", ".jpg")
_LARGEST_FILE = 2**26  # bytes; the largest official one has a twentieth
_LARGEST_RATIO = 100  # of all files to their archive
# What zipfile raises for broken, cut, encrypted and oddly compressed archives.
_DAMAGE = (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, KeyError)


class PrepareResult(NamedTuple):
    """Counts of what a preparation did."""

    written: int  # labels
    kept: int  # labels that were there
    unpacked: int = 0  # files


def unpack_archives(
    archives: Sequence[Path],
    root: Path,
    folders: Sequence[str],
    *,
    workers: int | None = None,
    progress: bool = True,
) -> int:
    """Unpacks the top folders of zip archives into `root`; returns how many files.

    Files that are there with the size that the archive says are kept, so that it goes
    on where it was interrupted. Each is checked by its CRC and appears whole. What is
    beside the folders (a licence) is left out.

    Raises:
        InputError: If an archive is damaged, names a place outside of `root`, or claims
            to hold more than it can.
        StorageError: If the disk is too small or cannot be written.
    """
    jobs, needed = [], 0
    for archive in archives:
        for member in _list_members(archive, folders):
            target = root / _place(member.filename, folders)
            if not (target.is_file() and target.stat().st_size == member.file_size):
                jobs.append((str(archive), member.filename, target))
                needed += member.file_size
    _check_space(root, needed)
    map_processes(
        _unpack_file,
        jobs,
        description="unpacking",
        unit="files",
        workers=workers,
        fewest=100,
        progress=progress,
    )
    return len(jobs)


def _unpack_file(job: tuple[str, str, Path]) -> None:
    archive, name, target = job
    try:
        content = _open_archive(archive).read(name)
    except _DAMAGE as error:
        raise InputError(_damaged(archive, error)) from error
    with replacing(target, sync=False) as path:
        path.write_bytes(content)


@functools.lru_cache(maxsize=8)  # the table of contents of a large one takes a while
def _open_archive(archive: str) -> zipfile.ZipFile:
    return zipfile.ZipFile(archive)


def _list_members(archive: Path, folders: Sequence[str]) -> list[zipfile.ZipInfo]:
    try:
        with open_regular(archive) as file, zipfile.ZipFile(file) as opened:
            members = [one for one in opened.infolist() if not one.is_dir()]
    except OSError as error:
        raise InputError(
            f"Cannot read {archive}: {error.strerror}; check the path and its "
            "permissions."
        ) from error
    except _DAMAGE as error:
        raise InputError(_damaged(archive, error)) from error
    for member in members:
        _check_member(archive, member)
    claimed = sum(member.file_size for member in members)
    if claimed > _LARGEST_RATIO * archive.stat().st_size:
        raise InputError(
            f"{archive} claims to hold {claimed} bytes, more than {_LARGEST_RATIO} "
            "times its own size, as archives made to fill disks do; download it again."
        )
    return [
        member
        for member in members
        if _place(member.filename, folders) is not None
        and PurePosixPath(member.filename).suffix.lower() in _KINDS
    ]


def _place(name: str, folders: Sequence[str]) -> PurePosixPath | None:
    """Where a member belongs; archives packed anew may have a folder around theirs."""
    parts = PurePosixPath(name).parts
    for start in range(min(2, len(parts))):
        if parts[start] in folders:
            return PurePosixPath(*parts[start:])
    return None


def _check_member(archive: Path, member: zipfile.ZipInfo) -> None:
    name = member.filename
    path, windows = PurePosixPath(name), PureWindowsPath(name)
    outside = (
        path.is_absolute() or windows.anchor or ".." in {*path.parts, *windows.parts}
    )
    link = stat.S_ISLNK(member.external_attr >> 16)
    if outside or link or not path.parts:
        raise InputError(
            f"{archive} holds {name!r}, which would be written outside of the folder; "
            "this is not the official file: download it again."
        )
    if member.file_size > _LARGEST_FILE:
        raise InputError(
            f"{archive} claims that {name} has {member.file_size} bytes, more than the "
            f"limit of {_LARGEST_FILE}; download it again."
        )


def _check_space(root: Path, needed: int) -> None:
    folder = next(path for path in (root, *root.parents) if path.exists())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise StorageError(
            f"Unpacking to {root} needs {needed / 1e9:.1f} GB and {free / 1e9:.1f} GB "
            "are free; free some space or choose another folder."
        )


def _damaged(archive: str | Path, error: Exception) -> str:
    return f"{archive} is damaged ({error}); download it again."


def convert_files(
    function: Callable[..., str | None],
    jobs: Sequence,
    *,
    what: str,
    description: str,
    unit: str,
    workers: int | None,
    progress: bool,
) -> None:
    """Calls a function for each job in worker processes, see `map_processes`.

    It returns what is wrong with its files; all of it is raised together at the end as
    an InputError on so many of `what`, as "masks".
    """
    found = map_processes(
        function,
        jobs,
        description=description,
        unit=unit,
        workers=workers,
        progress=progress,
    )
    faults = [fault for fault in found if fault]
    if faults:
        raise InputError(
            f"{len(faults)} of {len(jobs)} {what} cannot be used: {abbreviate(faults)}"
        )


def import_optional(module: str, install: str) -> ModuleType:
    """Imports a module; an error says how to install its package."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"This needs {module.partition('.')[0]} ({error}); install it with "
            f"`{install}`."
        ) from error
