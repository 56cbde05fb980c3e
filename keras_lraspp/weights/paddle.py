"""Safe reader of PaddlePaddle checkpoints: `.pdparams`, a folder or a `.tar.gz`."""

import gzip
import os
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.weights.tensors import (
    BoundedStream,
    float_tensors,
    read_bounded,
    read_weights_file,
)
from keras_lraspp.weights.unpickling import PickleError, StoredArray, read_pickle

CHECKPOINT_ARCHIVES = (".tar.gz", ".tgz", ".tar")  # that may hold a checkpoint
_MEMBER = "model.pdparams"
_MOST_FILES = 64  # of an archive
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
        content = read_pickle(_content(path))
    except PickleError as error:
        raise InputError(
            f"{path} is not read as PaddlePaddle weights: {error}; nothing in it was "
            f"run. Get the file again from where it is published."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path} holds a {type(content).__name__}, not tensors by name."
        )
    content.pop(_NAMES_OF_PARAMETERS, None)
    values = {
        name: value.value if isinstance(value, StoredArray) else value
        for name, value in content.items()
    }
    return float_tensors(values, path)


def _content(path: Path) -> bytes:
    file = path / _MEMBER if os.path.isdir(path) else path
    is_archive = file.name.endswith(CHECKPOINT_ARCHIVES)
    return read_weights_file(file, _archive_member if is_archive else read_bounded)


def _archive_member(file: BinaryIO, path: Path) -> bytes:
    """Returns what `model.pdparams` in an archive holds."""
    names = []
    try:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if packed else file
        # A small archive may unpack to more than the disk, or claim to.
        with tarfile.open(fileobj=BoundedStream(stream, path), mode="r|") as archive:
            for _, member in zip(range(_MOST_FILES), archive, strict=False):
                if member.isreg() and Path(member.name).name == _MEMBER:
                    # Once more: holes in it are not in the stream.
                    return read_bounded(archive.extractfile(member), path)
                names.append(member.name[:100])
    except InputError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as e:
        raise InputError(f"{path} is a damaged archive ({e}).") from e
    raise InputError(f"{path} holds no file {_MEMBER}, but {names[:5]}.")
