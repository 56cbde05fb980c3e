"""Safe unpickling by an allow-list: arrays and plain data, and nothing is run."""

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

MOST_AXES = 8
_MOST_STEPS = 200_000  # a published file with its 300 arrays takes about 15 000
_MOST_ARGUMENTS = 100  # the parts of a path are some
_NUMBER_TYPES = "b1 i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8".split()
# Without INST, OBJ, NEWOBJ, EXT, PERSID and the like, which arrays do not need.
_OPCODES = frozenset(
    "PROTO FRAME STOP MARK NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 BINFLOAT "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINSTRING SHORT_BINSTRING "
    "BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 BINPUT LONG_BINPUT MEMOIZE BINGET "
    "LONG_BINGET EMPTY_DICT EMPTY_LIST EMPTY_TUPLE TUPLE1 TUPLE2 TUPLE3 TUPLE APPEND "
    "APPENDS SETITEM SETITEMS GLOBAL STACK_GLOBAL REDUCE BUILD".split()
)


class PickleError(ValueError):
    """The pickle is damaged, or holds more than arrays; the message says what."""


class StandIn:
    """An object of a pickle that is not made; only what is set later is looked at."""

    def __init__(self, *arguments):
        pass

    def set_state(self, state: object) -> None:
        """Takes the state that a pickle gives the object, and drops it."""


class StandInDict(dict, StandIn):
    """A dictionary of any class, such as an `OrderedDict` with attributes."""

    def __init__(self, *arguments):
        super().__init__()


@dataclass(frozen=True)
class Allowed:
    """What a kind of file needs beside arrays of NumPy and plain data.

    Attributes:
        names: What stands in for functions, classes and values, by their full names.
            Functions are called with whatever the file says.
        opcodes: Further opcodes of pickle.
        load_id: Called with each persistent id, where BINPERSID is allowed.
    """

    names: Mapping[str, object] = field(default_factory=dict)
    opcodes: frozenset[str] = frozenset()
    load_id: Callable[[object], object] | None = None


def read_pickle(data: bytes, allowed: Allowed = Allowed()) -> object:
    """Unpickles arrays; refuses everything that would have to be run.

    Returns dictionaries with string keys (entries with numbers as keys are dropped),
    lists, tuples, strings, bytes, numbers, `None`, a `StoredArray` for each array, and
    what stands in for the names that are allowed. Raises `PickleError` for anything
    else.
    """
    return read_first_pickle(data, 0, allowed)[0]


def read_first_pickle(
    data: bytes, start: int, allowed: Allowed = Allowed()
) -> tuple[object, int]:
    """Unpickles as `read_pickle` what begins at `start`; returns also where it ends."""
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        _check_opcodes(stream, allowed.opcodes)
        end = stream.tell()
        return _ArrayUnpickler(data[start:end], allowed).load(), end
    except PickleError:
        raise
    except Exception as error:  # damage raises many kinds
        reason = str(error)[:300]
        raise PickleError(
            f"it is no pickle, damaged or holds more than arrays: {reason}"
        ) from error


def _check_opcodes(stream: io.BytesIO, more: frozenset[str]) -> None:
    # Before anything is loaded: no other opcodes, no sizes beyond the file's end.
    text = ""
    for step, (opcode, value, _) in enumerate(pickletools.genops(stream)):
        if opcode.name not in _OPCODES and opcode.name not in more:
            where = f"opcode {opcode.name} after {text[:100]!r}"
            raise PickleError(f"it holds more than arrays ({where})")
        if step >= _MOST_STEPS:
            raise PickleError("it has too many steps")
        text = value if isinstance(value, str) else text


# The unpickler in C sizes its memo by the largest index, which a file may claim.
class _ArrayUnpickler(pickle._Unpickler):
    """Python's unpickler with stand-ins for the functions that arrays name."""

    def __init__(self, data: bytes, allowed: Allowed):
        super().__init__(io.BytesIO(data), encoding="latin1")
        # Text that may become bytes, and pairs that may become entries: the only ways
        # to make more of what is in a file.
        self._budget, self._pairs = len(data), _MOST_STEPS
        self._names = {
            **_NUMPY_NAMES,
            "_codecs.encode": self._encode,
            "collections.OrderedDict": self._ordered_dict,
            **allowed.names,
        }
        self._load_id = allowed.load_id

    def find_class(self, module: str, name: str):
        name = f"{module}.{name}"
        for spelling, usual in _SPELLINGS:
            name = name.replace(spelling, usual)
        if name not in self._names:
            raise PickleError(
                f"it asks for {name[:100]}, which is not needed for arrays"
            )
        return self._names[name]

    def persistent_load(self, pid: object) -> object:
        """Returns what a file keeps outside of its pickle."""
        if self._load_id is None:
            raise PickleError("it has parts outside of it")
        return self._load_id(pid)

    def _encode(self, text: str, encoding: str) -> bytes:
        """Stands in for how protocol 2 keeps bytes: as text."""
        self._budget -= len(text)
        if encoding != "latin1" or self._budget < 0:
            raise PickleError("it makes more bytes than it has, or of no latin1")
        return text.encode("latin-1")

    def _ordered_dict(self, pairs: list | tuple = ()) -> StandInDict:
        """Stands in for an `OrderedDict`; Python 2 made it of a list of pairs."""
        result = StandInDict()
        self._pairs -= len(pairs)
        if not isinstance(pairs, list | tuple) or self._pairs < 0:
            raise PickleError("it makes more pairs than it has")
        for key, value in pairs:
            _set_item(result, key, value)
        return result

    def _load_reduce(self):
        arguments = self._pop_arguments()
        self.stack[-1] = self.stack[-1](*arguments)

    def _load_newobj(self):
        arguments, made = self._pop_arguments(), self.stack.pop()
        if not (isinstance(made, type) and issubclass(made, StandIn)):
            raise PickleError("it makes an object that is not needed")
        self.append(made(*arguments))

    def _pop_arguments(self) -> tuple:
        # Others would be unrolled, a long text or tuple perhaps again and again.
        arguments = self.stack.pop()
        if not isinstance(arguments, tuple) or len(arguments) > _MOST_ARGUMENTS:
            raise PickleError("it makes something of no tuple, or of a long one")
        return arguments

    def _load_build(self):
        state, target = self.stack.pop(), self.stack[-1]
        if isinstance(target, (StoredArray, _StoredType)):
            *fields, data = state
            if isinstance(data, str):  # of Python 2
                data = self._encode(data, "latin1")
            target.set_state(*fields, data)
        elif isinstance(target, StandIn):
            target.set_state(state)
        else:
            raise PickleError(f"it changes a {type(target).__name__}")

    def _load_setitem(self):
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def _set_items(self, items: list):
        target = self.stack[-1]
        if not isinstance(target, dict):
            raise PickleError(f"it changes a {type(target).__name__}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            _set_item(target, key, value)

    dispatch = {
        **pickle._Unpickler.dispatch,
        pickle.REDUCE[0]: _load_reduce,
        pickle.NEWOBJ[0]: _load_newobj,
        pickle.BUILD[0]: _load_build,
        # Of a set nothing is needed, and hashes may take for ever.
        pickle.EMPTY_SET[0]: lambda self: self.append(StandIn()),
        pickle.ADDITEMS[0]: lambda self: self.pop_mark(),
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: lambda self: self._set_items(self.pop_mark()),
    }


def _set_item(target: dict, key: object, value: object) -> None:
    # The hash of a tuple in a tuple in a tuple ... may take for ever.
    if isinstance(key, str):
        target[key] = value
    elif not isinstance(key, int | float | None):  # as of the state of an optimizer
        raise PickleError(f"it has a key that is a {type(key).__name__}")


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
        if not is_shape(shape):
            raise ValueError(f"an array without a shape of at most {MOST_AXES} sides")
        if math.prod(shape) * kind.value.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} in {len(data)} bytes")
        order = "F" if fortran else "C"
        self.value = np.ndarray(shape, kind.value, data, order=order)
        self.value.flags.writeable = False


def is_shape(value: object) -> bool:
    """Whether a value is a tuple of a few whole numbers, none of them negative."""
    if not isinstance(value, tuple) or len(value) > MOST_AXES:
        return False
    return all(type(side) is int and side >= 0 for side in value)


def _from_buffer(data, kind, shape, order) -> StoredArray:
    """Stands in for what protocol 5 calls."""
    array = StoredArray()
    array.set_state(1, shape, kind, order == "F", data)
    return array


# Of NumPy 2, Python 2 and Python 3.13.
_SPELLINGS = (
    ("numpy._core.", "numpy.core."),
    ("__builtin__.", "builtins."),
    ("pathlib._local.", "pathlib."),
)
_NUMPY_NAMES: dict[str, object] = {
    "numpy.core.multiarray._reconstruct": StoredArray,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy.ndarray": StoredArray,
    "numpy.dtype": _StoredType,
}
