"""PaddlePaddle's checkpoints: `.pdparams`, alone, in a folder or in a `.tar.gz`."""

import gzip
import io
import math
import pickletools
import tarfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_lraspp.errors import InputError, StorageError

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


MOST_STEPS = 200_000  # a published file with its 300 arrays takes about 15 000


class PickleError(ValueError):
    """The pickle is damaged, or holds more than arrays; the message says what."""


def read_pickle(data: bytes) -> object:
    """Reads a pickle that holds arrays, and nothing that must be run.

    Args:
        data: A pickle of protocol 2 to 5.

    Returns:
        What was pickled: dictionaries with string keys, lists, tuples, strings,
        bytes, numbers, `None`, and a `StoredArray` for each array.

    Raises:
        PickleError: If it is damaged, or anything else is in it.
    """
    machine = _Machine(budget=len(data))
    try:
        for name, argument in _steps(data):
            if name == "STOP":
                return machine.stack.pop()
            _STEPS[name](machine, argument)
    except PickleError:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise PickleError(
            f"it is damaged or holds more than arrays: {error}"
        ) from error
    raise PickleError("it is cut off or has too many steps")


def _steps(data: bytes) -> Iterator[tuple[str, object]]:
    file = io.BytesIO(data)
    for _ in range(MOST_STEPS):
        opcode = _OPCODES.get(file.read(1))
        if opcode is None:
            raise PickleError("it is no pickle, or damaged")
        if opcode.name not in _STEPS:
            raise PickleError(f"it holds more than arrays (step {opcode.name})")
        yield opcode.name, opcode.arg.reader(file) if opcode.arg else None


class _Machine:
    """The stack and the memory of a pickle that is being read.

    Args:
        budget: Characters of text that may become bytes, which is the only way here
            to make more of what the file holds.
    """

    def __init__(self, budget: int):
        self.stack: list = []
        self.memo: dict[int, object] = {}
        self.budget = budget

    def spend(self, items: tuple) -> None:
        self.budget -= sum(len(item) for item in items if isinstance(item, str))
        if self.budget < 0:
            raise PickleError("it makes more bytes than it has")

    def pop_to_mark(self) -> list:
        mark = len(self.stack) - 1
        while self.stack[mark] is not _MARK:
            mark -= 1
            if mark < 0:
                raise PickleError("it is damaged (no mark)")
        items = self.stack[mark + 1 :]
        del self.stack[mark:]
        return items

    def pop(self, number: int) -> tuple:
        if number > len(self.stack):
            raise PickleError("it is damaged (the stack is empty)")
        items = tuple(self.stack[-number:])
        del self.stack[-number:]
        return items

    def top(self, kind: type):
        if not isinstance(self.stack[-1], kind):
            raise PickleError(f"it changes a {type(self.stack[-1]).__name__}")
        return self.stack[-1]


_MARK = object()


def _push(machine: _Machine, argument) -> None:
    machine.stack.append(argument)


def _set_items(machine: _Machine, items) -> None:
    target = machine.top(dict)
    for key, value in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key, str):
            raise PickleError(f"it has a key that is a {type(key).__name__}")
        target[key] = value


def _name(machine: _Machine, name: str) -> None:
    if name not in FUNCTIONS:
        raise PickleError(f"it asks for {name[:100]}, which is not needed for arrays")
    machine.stack.append(FUNCTIONS[name])


def _call(machine: _Machine, _) -> None:
    function, arguments = machine.pop(2)
    if not isinstance(function, Function) or not isinstance(arguments, tuple):
        raise PickleError("it calls what is no function")
    machine.spend(arguments[:1])
    machine.stack.append(function.stand_in(*arguments))


def _build(machine: _Machine, _) -> None:
    (state,) = machine.pop(1)
    target = machine.stack[-1]
    if not hasattr(target, "set_state") or not isinstance(state, tuple):
        raise PickleError(f"it changes a {type(target).__name__}")
    machine.spend(state[-1:])
    target.set_state(*state)


def _append(machine: _Machine, items) -> None:
    machine.top(list).extend(items)


def _make(value: Callable) -> Callable:
    return lambda machine, _: machine.stack.append(value(machine))


def _remember(machine: _Machine, index: int | None) -> None:
    machine.memo[len(machine.memo) if index is None else index] = machine.stack[-1]


def _ignore(machine: _Machine, _) -> None:
    pass


_OPCODES = {opcode.code.encode("latin-1"): opcode for opcode in pickletools.opcodes}
_STEPS: dict[str, Callable[[_Machine, object], None]] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), _ignore),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"), _push),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), _push),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), _push),
    **dict.fromkeys(("BINSTRING", "SHORT_BINSTRING"), _push),  # of Python 2
    **dict.fromkeys(("BINPUT", "LONG_BINPUT", "MEMOIZE"), _remember),
    **dict.fromkeys(("BINGET", "LONG_BINGET"), lambda m, i: _push(m, m.memo[i])),
    "MARK": _make(lambda machine: _MARK),
    "NONE": _make(lambda machine: None),
    "NEWTRUE": _make(lambda machine: True),
    "NEWFALSE": _make(lambda machine: False),
    "EMPTY_DICT": _make(lambda machine: {}),
    "EMPTY_LIST": _make(lambda machine: []),
    "EMPTY_TUPLE": _make(lambda machine: ()),
    "TUPLE1": _make(lambda machine: machine.pop(1)),
    "TUPLE2": _make(lambda machine: machine.pop(2)),
    "TUPLE3": _make(lambda machine: machine.pop(3)),
    "TUPLE": _make(lambda machine: tuple(machine.pop_to_mark())),
    "APPEND": lambda machine, _: _append(machine, machine.pop(1)),
    "APPENDS": lambda machine, _: _append(machine, machine.pop_to_mark()),
    "SETITEM": lambda machine, _: _set_items(machine, machine.pop(2)),
    "SETITEMS": lambda machine, _: _set_items(machine, machine.pop_to_mark()),
    "GLOBAL": lambda machine, name: _name(machine, name.replace(" ", ".", 1)),
    "STACK_GLOBAL": lambda machine, _: _name(machine, ".".join(machine.pop(2))),
    "REDUCE": _call,
    "BUILD": _build,
}


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
