"""Pickles of arrays, read without running anything in them.

A pickle is a program for a stack machine that can call any function. The machine here
knows only the steps that build NumPy arrays, plain containers, strings and numbers,
and never calls a function that the file names. It allocates nothing that the file
does not hold.
"""

import io
import pickletools
from collections.abc import Callable, Iterator

from keras_lraspp.weights.stored_arrays import FUNCTIONS, Function

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
