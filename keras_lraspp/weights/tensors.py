"""Float32 tensors by name from files of weights: sizes, types and values checked."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import BinaryIO, Protocol, TypeVar

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import open_regular

# A published file takes 22 MB at most, a checkpoint of a training with the state of its
# optimizer three times the weights.
LARGEST_FILE = 64 << 20
MOST_TENSORS = 4096
BFLOAT16 = np.dtype("V2")  # which NumPy lacks, as two opaque bytes
_BLOCK = 1 << 20
# What data parallelism and compilation put before all names.
_PREFIXES = ("module.", "_orig_mod.")
# Numbers of batches that PyTorch counts; no network needs them.
_COUNTERS = ("num_batches_tracked", "n_averaged")


_Content = TypeVar("_Content")


class _Stream(Protocol):
    def read(self, size: int, /) -> bytes: ...


class BoundedStream:
    """A stream of at most `LARGEST_FILE` bytes."""

    def __init__(self, stream: _Stream, source: Path):
        self._stream, self._source, self._left = stream, source, LARGEST_FILE

    def read(self, size: int) -> bytes:
        """Reads at most `size` bytes; raises `InputError` beyond the bound."""
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise too_large(self._source)
        return content


def too_large(path: Path) -> InputError:
    """Returns the error for weights larger than those of any network here."""
    return InputError(
        f"{path} holds more than {LARGEST_FILE >> 20} MiB, which no network here has; "
        f"check the file."
    )


def read_bounded(stream: _Stream, source: Path) -> bytes:
    """Reads a stream to its end, up to `LARGEST_FILE` bytes; else an `InputError`."""
    # In blocks: asked for all at once, streams that unpack keep all of it twice.
    content, bounded = io.BytesIO(), BoundedStream(stream, source)
    while block := bounded.read(_BLOCK):
        content.write(block)
    return content.getvalue()


def read_weights_file(
    path: Path, read: Callable[[BinaryIO, Path], _Content] = read_bounded
) -> _Content:
    """Returns what is in a file of weights, or what `read(file, path)` makes of it.

    Raises:
        InputError: If it is missing, no regular file or too large.
        StorageError: If it cannot be read.
    """
    try:
        if not path.is_file():
            raise InputError(f"There is no weights file {path}; check the path.")
        with open_regular(path) as file:
            return read(file, path)
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"Cannot read {path}: {reason}.") from error


def float_tensors(values: Mapping[str, object], path: Path) -> dict[str, np.ndarray]:
    """Returns tensors as float32, after a check of each.

    Args:
        values: Arrays by name, also of `BFLOAT16`. PyTorch's counters of batches, which
            are whole numbers, are left out, and so is `module.` before all names.
        path: The file that they are from, for the errors.

    Raises:
        InputError: If there are none or too many, or one has values that are no
            floats, or are not finite.
    """
    arrays = {}
    for name, value in values.items():
        kind = type(value).__name__
        if isinstance(value, np.ndarray):
            if value.dtype.kind in "iu" and name.rpartition(".")[2] in _COUNTERS:
                continue
            kind = value.dtype.name
        if not isinstance(value, np.ndarray) or not (
            value.dtype.kind == "f" or value.dtype == BFLOAT16
        ):
            raise InputError(f"{path}: {name[:100]} is no float tensor, but {kind}.")
        arrays[name] = value
    if not 0 < len(arrays) <= MOST_TENSORS:
        raise InputError(
            f"{path} holds {len(arrays)} tensors; expected 1 to {MOST_TENSORS}."
        )
    if sum(value.size for value in arrays.values()) * 4 > LARGEST_FILE:
        raise too_large(path)
    return {
        name: _as_float32(value, f"{path}: {name[:100]}")
        for name, value in _without_prefix(arrays).items()
    }


def _as_float32(value: np.ndarray, what: str) -> np.ndarray:
    if value.dtype == BFLOAT16:
        value = from_bfloat16(value)
    with np.errstate(over="ignore"):
        tensor = value.astype("float32", order="C")
    if not np.isfinite(tensor).all():
        raise InputError(f"{what} has values that are not finite.")
    return tensor


def _without_prefix(arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for prefix in _PREFIXES * 2:
        if all(name.startswith(prefix) for name in arrays):
            arrays = {name[len(prefix) :]: array for name, array in arrays.items()}
    return arrays


def from_bfloat16(values: np.ndarray) -> np.ndarray:
    """Returns numbers of the type `BFLOAT16` as float32, of which they are a half."""
    return (values.view("uint16").astype("uint32") << 16).view("float32")
