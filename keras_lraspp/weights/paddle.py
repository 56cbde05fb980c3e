"""Safe reader of PaddlePaddle checkpoints: `.pdparams`, a folder or a `.tar.gz`."""

import gzip
import io
import math
import pickle
import pickletools
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import open_regular

_MEMBER = "model.pdparams"
# The largest published file, a backbone with its classifier, takes 22 MB.
LARGEST_FILE = 64 << 20
_BLOCK = 1 << 20
_MOST_TENSORS = 4096
_MOST_FILES = 64  # of an archive
_MOST_STEPS = 200_000  # a published file with its 300 arrays takes about 15 000
_MOST_AXES = 8
_NUMBER_TYPES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()
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
    except OSError as error:
        reason = error.strerror or error
        raise StorageError(f"Cannot read {path}: {reason}.") from error
    try:
        content = read_pickle(data)
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
    return _tensors(content, len(data), path)


def _content(path: Path) -> bytes:
    file = path / _MEMBER if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"There is no weights file {file}; check the path.")
    if file.name.endswith((".tar", ".tar.gz", ".tgz")):
        return _archive_member(file)
    with open_regular(file) as stream:
        return _read(_Bounded(stream, file))


def _read(stream) -> bytes:
    # In blocks: asked for all at once, streams that unpack keep all of it twice.
    content = io.BytesIO()
    while block := stream.read(_BLOCK):
        content.write(block)
    return content.getvalue()


def _archive_member(path: Path) -> bytes:
    """Returns what `model.pdparams` in an archive holds."""
    names = []
    try:
        with open_regular(path) as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream = gzip.GzipFile(fileobj=file) if packed else file
            # A small archive may unpack to more than the disk, or claim to.
            with tarfile.open(fileobj=_Bounded(stream, path), mode="r|") as archive:
                for _, member in zip(range(_MOST_FILES), archive, strict=False):
                    if member.isreg() and Path(member.name).name == _MEMBER:
                        # Once more: holes in it are not in the stream.
                        return _read(_Bounded(archive.extractfile(member), path))
                    names.append(member.name[:100])
    except InputError:
        raise
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError) as e:
        raise InputError(f"{path} is a damaged archive ({e}).") from e
    raise InputError(f"{path} holds no file {_MEMBER}, but {names[:5]}.")


class _Bounded:
    """A stream of at most `LARGEST_FILE` bytes."""

    def __init__(self, stream, source: Path):
        self._stream, self._source, self._left = stream, source, LARGEST_FILE

    def read(self, size: int) -> bytes:
        content = self._stream.read(size)
        self._left -= len(content)
        if self._left < 0:
            raise InputError(
                f"{self._source} holds more than {LARGEST_FILE >> 20} MiB, which no "
                f"network here has; check the file."
            )
        return content


def _tensors(content: dict, size: int, path: Path) -> dict[str, np.ndarray]:
    if not 0 < len(content) <= _MOST_TENSORS:
        raise InputError(
            f"{path} holds {len(content)} tensors; expected 1 to {_MOST_TENSORS}."
        )
    stored = {}
    for name, array in content.items():
        value = array.value if isinstance(array, StoredArray) else None
        if value is None or value.dtype.kind != "f":
            kind = type(array).__name__ if value is None else value.dtype.name
            raise InputError(f"{path}: {name[:100]} is no float tensor, but {kind}.")
        stored[name] = value
    if sum(value.nbytes for value in stored.values()) > size:  # it has some twice
        raise InputError(f"{path} has tensors of more than its own size.")
    tensors = {}
    for name, value in stored.items():
        with np.errstate(over="ignore"):
            tensors[name] = value.astype("float32")
        if not np.isfinite(tensors[name]).all():
            raise InputError(f"{path}: {name[:100]} has values that are not finite.")
    return tensors


class PickleError(ValueError):
    """The pickle is damaged, or holds more than arrays; the message says what."""


def read_pickle(data: bytes) -> object:
    """Unpickles arrays; refuses everything that would have to be run.

    Returns dictionaries with string keys, lists, tuples, strings, bytes, numbers,
    `None`, and a `StoredArray` for each array. Raises `PickleError` for anything else.
    """
    try:
        # Before anything is loaded: no other opcodes, no sizes beyond the file's end.
        text = ""
        for step, (opcode, value, _) in enumerate(pickletools.genops(data)):
            if opcode.name not in _OPCODES:
                where = f"opcode {opcode.name} after {text[:100]!r}"
                raise PickleError(f"it holds more than arrays ({where})")
            if step >= _MOST_STEPS:
                raise PickleError("it has too many steps")
            text = value if isinstance(value, str) else text
        return _ArrayUnpickler(data).load()
    except PickleError:
        raise
    except Exception as error:  # damage raises many kinds
        raise PickleError(
            f"it is no pickle, damaged or holds more than arrays: {error}"
        ) from error


# Without INST, OBJ, NEWOBJ, EXT, PERSID and the like, which arrays do not need.
_OPCODES = set(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 BINPUT LONG_BINPUT MEMOIZE BINGET "
    "LONG_BINGET EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE APPEND "
    "APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD".split()
)


# The unpickler in C sizes its memo by the largest index, which a file may claim.
class _ArrayUnpickler(pickle._Unpickler):
    """Python's unpickler with stand-ins for the functions that arrays name."""

    def __init__(self, data: bytes):
        super().__init__(io.BytesIO(data), encoding="latin1")
        # Text that may become bytes: the only way to make more of what is in a file.
        self._budget = len(data)

    def find_class(self, module: str, name: str):
        name = f"{module}.{name}".replace("numpy._core.", "numpy.core.")  # of NumPy 2
        if name == "_codecs.encode":
            return self._encode
        if name not in _STAND_INS:
            raise PickleError(
                f"it asks for {name[:100]}, which is not needed for arrays"
            )
        return _STAND_INS[name]

    def _encode(self, text: str, encoding: str) -> bytes:
        """Stands in for how protocol 2 keeps bytes: as text."""
        self._budget -= len(text)
        if encoding != "latin1" or self._budget < 0:
            raise PickleError("it makes more bytes than it has, or of no latin1")
        return text.encode("latin-1")

    def _load_build(self):
        (*state, data), target = self.stack.pop(), self.stack[-1]
        if not isinstance(target, (StoredArray, _StoredType)):
            raise PickleError(f"it changes a {type(target).__name__}")
        if isinstance(data, str):  # of Python 2
            data = self._encode(data, "latin1")
        target.set_state(*state, data)

    def _load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list):
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise PickleError(f"it changes a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # The hash of a tuple in a tuple in a tuple ... may take for ever.
            if not isinstance(key, str):
                raise PickleError(f"it has a key that is a {type(key).__name__}")
            target[key] = value

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.BUILD[0]: _load_build,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: lambda self: self._set_items(self.pop_mark()),
    }


class _StoredType:
    """A number type by NumPy's code, such as "f4"; its flags do not matter."""

    def __init__(self, code: str, *flags):
        if code not in _NUMBER_TYPES:
            raise ValueError("an array of another type than plain numbers")
        self.value = np.dtype(code)

    def set_state(self, version: int, order: str, *fields) -> None:
        if order not in ("<", ">", "|", "=") or any(fields[:3]):
            raise ValueError("an array of records")
        self.value = self.value.newbyteorder(order)


class StoredArray:
    """An array that is being unpickled; `value` is the array, read-only."""

    def __init__(self, *arguments):
        self.value: np.ndarray | None = None

    def set_state(self, version, shape, kind, fortran, data) -> None:
        """Takes shape, type, order and bytes of the array, without a copy."""
        if not isinstance(data, (bytes, bytearray)) or type(kind) is not _StoredType:
            raise ValueError("an array of objects")
        sides = isinstance(shape, tuple) and all(type(side) is int for side in shape)
        if not sides or len(shape) > _MOST_AXES or min(shape, default=0) < 0:
            raise ValueError(f"an array without a shape of at most {_MOST_AXES} sides")
        if math.prod(shape) * kind.value.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
        order = "F" if fortran else "C"
        self.value = np.ndarray(shape, kind.value, data, order=order)
        self.value.flags.writeable = False


def _from_buffer(data, kind, shape, order) -> StoredArray:
    """Stands in for what protocol 5 calls."""
    array = StoredArray()
    array.set_state(1, shape, kind, order == "F", data)
    return array


_STAND_INS: dict[str, Callable] = {
    "numpy.core.multiarray._reconstruct": StoredArray,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.ndarray": StoredArray,
    "numpy.dtype": _StoredType,
    "collections.OrderedDict": lambda *arguments: {},
}
