"""PaddlePaddle's checkpoints: `.pdparams`, alone, in a folder or in a `.tar.gz`."""

import gzip
import io
import tarfile
import zlib
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.weights.pickles import PickleError, read_pickle
from keras_lraspp.weights.stored_arrays import StoredArray

MEMBER = "model.pdparams"
# The largest published file, a backbone with its classifier, takes 22 MB.
LARGEST_FILE = 128 << 20
MOST_TENSORS = 4096
MOST_MEMBERS = 64  # of an archive

_NAMES_OF_PARAMETERS = "StructuredToParameterName@@"  # a dict of strings, not needed


def read_pdparams(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a PaddlePaddle checkpoint, without running anything in it.

    Args:
        path: A `.pdparams` file, or a folder or `.tar`, `.tar.gz` that holds
            `model.pdparams`. Nothing is extracted to the disk.

    Returns:
        Float32 arrays by name, in the file's order.

    Raises:
        InputError: If the file is missing, too large, damaged, holds anything else
            than tensors, or values that are not finite.
        StorageError: If it cannot be read.
    """
    path = Path(path)
    try:
        data = _content(path)
        content = read_pickle(data)
    except PickleError as error:
        raise InputError(
            f"{path} is not read as PaddlePaddle weights: {error}; nothing in it was "
            f"run. Get the file again from where it is published."
        ) from error
    except OSError as error:
        if isinstance(error, StorageError):
            raise
        reason = error.strerror or error
        raise StorageError(f"Cannot read {path}: {reason}.") from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path} holds a {type(content).__name__}, not tensors by name."
        )
    content.pop(_NAMES_OF_PARAMETERS, None)
    return _tensors(content, path)


def _content(path: Path) -> bytes:
    file = path / MEMBER if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There is no weights file {file}; check the path.")
    if file.name.endswith((".tar", ".tar.gz", ".tgz")):
        return _member(file)
    with file.open("rb") as stream:
        return _read(stream, file)


def _read(stream, source: Path) -> bytes:
    data = stream.read(LARGEST_FILE + 1)
    if len(data) > LARGEST_FILE:
        raise InputError(
            f"{source} is larger than {LARGEST_FILE >> 20} MiB, far more than these "
            f"networks have; check the file."
        )
    return data


def _member(path: Path) -> bytes:
    """Returns what `model.pdparams` in an archive holds."""
    names = []
    try:
        with path.open("rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
            # Unpacked as a whole: a small archive may unpack to more than the disk.
            unpacked = io.BytesIO(_read(stream, path))
        with tarfile.open(fileobj=unpacked, mode="r:") as archive:
            for _, member in zip(range(MOST_MEMBERS), archive, strict=False):
                if member.isreg() and Path(member.name).name == MEMBER:
                    return _read(archive.extractfile(member), path)
                names.append(member.name[:100])
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        ValueError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path} is a damaged archive ({error}).") from error
    raise InputError(f"{path} holds no file {MEMBER}, but {names[:5]}.")


def _tensors(content: dict, path: Path) -> dict[str, np.ndarray]:
    if not 0 < len(content) <= MOST_TENSORS:
        raise InputError(
            f"{path} holds {len(content)} tensors; expected 1 to {MOST_TENSORS}."
        )
    tensors, total = {}, 0
    for name, stored in content.items():
        value = stored.value if isinstance(stored, StoredArray) else None
        if value is None or value.dtype.kind != "f":
            kind = type(stored).__name__ if value is None else value.dtype.name
            raise InputError(f"{path}: {name[:100]} is no float tensor, but {kind}.")
        total += value.nbytes
        if total > LARGEST_FILE:
            raise InputError(f"{path} has tensors of more than its own size.")
        with np.errstate(over="ignore"):
            tensors[name] = value.astype("float32")
        if not np.isfinite(tensors[name]).all():
            raise InputError(f"{path}: {name[:100]} has values that are not finite.")
    return tensors
