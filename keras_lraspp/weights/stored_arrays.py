"""What NumPy's arrays call when they are unpickled, and what stands in for it."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

MOST_AXES = 8
_KINDS = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8"}


class Function(NamedTuple):
    """A function or class that a pickle may name, and what is called in its place."""

    name: str
    stand_in: Callable


class StoredType:
    """A number type, such as little-endian float32.

    Args:
        code: NumPy's code, such as `"f4"`.
        *flags: Of NumPy; they do not matter for numbers.
    """

    def __init__(self, code: str, *flags):
        if not isinstance(code, str) or code not in _KINDS:
            raise ValueError("an array of another type than plain numbers")
        self.value = np.dtype(code)

    def set_state(self, version: int, order: str, *fields) -> None:
        """Takes the byte order; a number has no fields."""
        if order not in ("<", ">", "|", "=") or any(fields[:3]):
            raise ValueError("an array of records")
        self.value = self.value.newbyteorder(order)


class StoredArray:
    """An array that is being unpickled; `value` is the array, read-only."""

    def __init__(self, *arguments):
        self.value: np.ndarray | None = None

    def set_state(self, version, shape, kind, fortran, data) -> None:
        """Takes shape, type, order and bytes of the array."""
        order = "F" if fortran else "C"
        self.value = _view(data, kind, shape, order)


def _view(data, kind, shape, order: str) -> np.ndarray:
    """Looks at bytes as an array, without a copy."""
    if isinstance(data, str):  # of Python 2
        data = data.encode("latin-1")
    if not isinstance(data, (bytes, bytearray)) or not isinstance(kind, StoredType):
        raise ValueError("an array of objects")
    sides = isinstance(shape, tuple) and all(type(side) is int for side in shape)
    if not sides or len(shape) > MOST_AXES or min(shape, default=0) < 0:
        raise ValueError(f"an array without a shape of at most {MOST_AXES} sides")
    if math.prod(shape) * kind.value.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
    array = np.ndarray(shape, kind.value, data, order=order)
    array.flags.writeable = False
    return array


def _from_buffer(data, kind, shape, order) -> StoredArray:
    """Stands in for what protocol 5 calls."""
    array = StoredArray()
    array.value = _view(data, kind, shape, "F" if order == "F" else "C")
    return array


def _encode(text: str, encoding: str) -> bytes:
    """Stands in for how protocol 2 keeps bytes: as text."""
    if encoding != "latin1":
        raise ValueError("bytes in another encoding than latin1")
    return text.encode("latin-1")


def _empty_dictionary() -> dict:
    return {}


def _names(module: str, function: str) -> tuple[str, str]:
    """The names before and since NumPy 2."""
    return f"numpy.core.{module}.{function}", f"numpy._core.{module}.{function}"


# What a pickle of arrays names, and what is called instead of it.
FUNCTIONS: dict[str, Function] = {
    name: Function(name, stand_in)
    for names, stand_in in (
        (_names("multiarray", "_reconstruct"), StoredArray),
        (_names("numeric", "_frombuffer"), _from_buffer),
        (("numpy.ndarray",), StoredArray),
        (("numpy.dtype",), StoredType),
        (("_codecs.encode",), _encode),
        (("collections.OrderedDict",), _empty_dictionary),
    )
    for name in names
}
