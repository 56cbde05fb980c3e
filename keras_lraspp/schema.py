"""Schemas of metadata and arguments: JSON and text read with types, ranges and sizes.

A schema is an annotation: `int`, `float`, `str`, `bool`, `None`, `Path`, `Any`,
`Literal`, unions, `tuple[X, ...]`, `tuple[X, Y]`, `Sequence[X]`, `dict[str, X]`, a
dataclass, a `NamedTuple`, `Callable`, and any of these as
 `Annotated[..., Bounds(least, most)]`.
"""

import dataclasses
import inspect
import json
import math
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, Union

from keras_lraspp.errors import InputError
from keras_lraspp.files import read_regular

LARGEST_TEXT = 16 << 20  # bytes of a file of metadata
_MOST_DIGITS = 20  # of a whole number, its sign among them: 64 bits have no more
# They would move a terminal's cursor, or cannot be written as UTF-8.
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]")


class Bounds(NamedTuple):
    """Range of a number; of a text, list or object the range of its length."""

    least: float = -math.inf
    most: float = math.inf
    above: float = -math.inf

    def __str__(self) -> str:
        """Says it in words."""
        if math.inf > self.most and self.least > -math.inf:
            return f"from {self.least} to {self.most}"
        words = ("at least", self.least), ("above", self.above), ("at most", self.most)
        return " and ".join(
            f"{w} {value}" for w, value in words if abs(value) != math.inf
        )


Byte = Annotated[int, Bounds(0, 255)]
Color = tuple[Byte, Byte, Byte]  # red, green, blue
Count = Annotated[int, Bounds(1, 2**31 - 1)]
Index = Annotated[int, Bounds(0, 2**31 - 1)]
Positive = Annotated[float, Bounds(above=0)]
Share = Annotated[float, Bounds(0, 1)]
Name = Annotated[str, Bounds(1, 1000)]
Channels = Annotated[int, Bounds(1, 64)]  # of an image: 1 is grey, 3 are RGB
Label = Annotated[int, Bounds(0, 65_535)]  # of at most 16 bits
Int32 = Annotated[int, Bounds(-(2**31), 2**31 - 1)]
Rate = Annotated[float, Bounds(0, 1e30)]


def read_json(
    path: str | Path,
    kind: Any,
    *,
    mend: str,
    most: int = LARGEST_TEXT,
    extra: bool = False,
) -> Any:
    """Reads a JSON file as `parse_json` does, `most` bytes of it at most."""
    content = _read_bytes(path, most, mend)
    return parse_json(content, kind, str(path), mend=mend, extra=extra)


def parse_json(
    content: bytes | str, kind: Any, source: str, *, mend: str, extra: bool = False
) -> Any:
    """Parses JSON as a value of an annotated type.

    Args:
        content: The text, in UTF-8.
        kind: The schema: an annotation, see the module.
        source: What the text is called in messages, as the file's path.
        mend: What to do if it is wrong, as "write the shards again".
        extra: Whether the object may have keys that `kind`, a record, has not.

    Returns:
        The value, its lists as tuples and its objects as the records of the schema.

    Raises:
        InputError: If it is no JSON, or has a value of another type, length or range,
            a key twice, one missing or unknown; the sentence names source and key.
    """
    if isinstance(content, bytes):
        content = decode_text(content, source, mend=mend)
    try:
        value = json.loads(
            content,
            object_pairs_hook=_unique,
            parse_constant=_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise InputError(f"{source} is nested too deeply; {mend}.") from error
    except ValueError as error:
        raise InputError(f"{source} is not JSON ({error}); {mend}.") from error
    return check_value(value, kind, source, mend=mend, extra=extra)


def check_value(
    value: Any, kind: Any, source: str, *, mend: str, extra: bool = False
) -> Any:
    """Checks what is parsed already; see `parse_json`."""
    if extra and isinstance(value, dict):
        known = _fields(kind)[0]
        value = {key: item for key, item in value.items() if key in known}
    try:
        return _fit(value, kind, "")
    except _Mismatch as error:
        key = f": `{error.key}`" if error.key else ""
        found = ", not ".join(filter(None, error.args))
        raise InputError(f"{source}{key} is {found}; {mend}.") from error


def check_argument(name: str, value: Any, kind: Any) -> None:
    """Checks an argument of a function.

    Args:
        name: Of function and argument, as "WarmupPolynomial.power".
        value: The argument.
        kind: Its schema, see the module; `Annotated[int, Bounds(1)]` for example.

    Raises:
        InputError: If it is of another type or out of its range.
    """
    try:
        _fit(value, kind, "")
    except _Mismatch as error:
        found, expected = error.args
        dot = "." if error.key[:1] not in ("", "[") else ""
        raise InputError(
            f"{name}{dot}{error.key} is {expected}, not {found}; correct it."
        ) from error


def check_call(name: str, function: Callable, values: Mapping[str, Any]) -> None:
    """Checks the arguments of a function by its annotations, where they are schemas.

    Args:
        name: What users call it, as "WarmupPolynomial".
        function: The function, or a dataclass.
        values: Its arguments by name, as `locals()` at its beginning.

    Raises:
        InputError: As `check_argument` does.
    """
    for argument, kind in _argument_kinds(function).items():
        if argument in values:
            check_argument(f"{name}.{argument}", values[argument], kind)


@cache
def _argument_kinds(function: Callable) -> dict[str, Any]:
    parameters = inspect.signature(function, eval_str=True).parameters.values()
    return {p.name: p.annotation for p in parameters if _is_schema(p.annotation)}


def _is_schema(kind: Any) -> bool:
    origin, parts = _apart(kind)
    if origin is Annotated:
        return _is_schema(parts[0])
    if origin in (Literal, Callable):
        return True
    if origin is None:
        return kind is Any or kind in _WORDS
    return all(part is Ellipsis or _is_schema(part) for part in parts)


def read_text(path: str | Path, *, mend: str, most: int = LARGEST_TEXT) -> str:
    """Reads a text file of UTF-8, with or without a byte order mark.

    Raises:
        InputError: If it cannot be read, has more than `most` bytes, or is no text.
    """
    return decode_text(_read_bytes(path, most, mend), str(path), mend=mend)


def decode_text(content: bytes, source: str, *, mend: str) -> str:
    """Decodes UTF-8; raises `InputError` with the source and what to do."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{source} is not UTF-8 text; {mend}.") from error


def _read_bytes(path: str | Path, most: int, mend: str) -> bytes:
    try:
        return read_regular(path, most)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror}; {mend}.") from error


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for key, value in pairs:
        if key in content:
            raise ValueError(f"it has the key {_found(key)} twice")
        content[key] = value
    return content


def _finite(text: str) -> float:
    if not math.isfinite(float(text)):
        raise ValueError(f"{text[:60]} is no finite number")
    return float(text)


def _whole(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"it has a whole number of {len(text)} digits")
    return int(text)


class _Mismatch(Exception):
    """What was found and what is expected as the value of a key."""

    def __init__(self, key: str, found: str, expected: str):
        super().__init__(found, expected)
        self.key = key


@cache
def _apart(kind: Any) -> tuple[Any, tuple]:
    return typing.get_origin(kind), typing.get_args(kind)


def _fit(value: Any, kind: Any, key: str) -> Any:
    """Returns the value as one of the kind, or raises `_Mismatch`."""
    if kind is int and type(value) is int:  # quick, as lists have a million of them
        return value
    origin, parts = _apart(kind)
    if origin is Sequence:
        origin, parts = tuple, (*parts, Ellipsis)
        value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's arrays
    items = isinstance(value, (list, tuple))
    if origin is Annotated:
        return _fit_bounds(value, kind, key)
    if origin in (Union, UnionType):
        return _fit_union(value, kind, key)
    if origin is Literal and _is_choice(value, parts):
        return value
    if origin is Callable and _makes(value, parts[-1]):
        return value
    if origin is tuple and items and parts[-1] is Ellipsis:
        return tuple(_fit(v, parts[0], f"{key}[{i}]") for i, v in enumerate(value))
    elif origin is tuple and items and len(parts) == len(value):
        pairs = enumerate(zip(value, parts, strict=True))
        return tuple(_fit(v, part, f"{key}[{i}]") for i, (v, part) in pairs)
    elif origin in (dict, Mapping) and isinstance(value, Mapping):
        return {
            _fit(name, parts[0], key): _fit(item, parts[1], _below(key, name))
            for name, item in value.items()
        }
    elif origin is None and _is_record(kind):
        return _fit_record(value, kind, key)
    elif origin is None and _is_scalar(value, kind):
        return Path(value) if kind is Path else value
    raise _Mismatch(key, _found(value), _expected(kind))


def _is_choice(value: Any, choices: tuple) -> bool:
    plain = isinstance(value, (str, Integral)) and not isinstance(value, bool)
    return plain and value in choices


def _makes(value: Any, product: Any) -> bool:
    """Whether a value can be called for a product, and is not the product itself."""
    made = isinstance(product, type) and product is not Callable
    return callable(value) and not (made and isinstance(value, product))


def _is_scalar(value: Any, kind: Any) -> bool:
    if kind is Path:  # whatever a file may be called
        return isinstance(value, (str, Path)) and "\0" not in str(value)
    if kind is str:
        return isinstance(value, str) and not _UNPRINTABLE.search(value)
    if kind not in (int, float):
        return kind is Any or isinstance(value, kind)
    if isinstance(value, bool):
        return False
    if isinstance(value, Integral):  # of any size, where `isfinite` has its limit
        return True
    return kind is float and isinstance(value, Real) and math.isfinite(value)


def _fit_bounds(value: Any, kind: Any, key: str) -> Any:
    inner, bounds = _apart(kind)[1]
    fitted = _fit_inner(value, inner, kind, key)
    size = fitted if isinstance(fitted, (int, Real)) else len(fitted)
    if not (bounds.least <= size <= bounds.most and size > bounds.above):
        raise _Mismatch(key, _found(value), _expected(kind))
    return fitted


def _fit_union(value: Any, kind: Any, key: str) -> Any:
    *parts, last = sorted(_apart(kind)[1], key=lambda part: part is not NoneType)
    for part in parts:
        try:
            return _fit(value, part, key)
        except _Mismatch:
            continue
    return _fit_inner(value, last, kind, key)


def _fit_inner(value: Any, inner: Any, kind: Any, key: str) -> Any:
    """Fits a part of `kind`; a message says all of it, or the place that is wrong."""
    try:
        return _fit(value, inner, key)
    except _Mismatch as error:
        if error.key != key:
            raise
        raise _Mismatch(key, error.args[0], _expected(kind)) from error


def _is_record(kind: Any) -> bool:
    return dataclasses.is_dataclass(kind) or hasattr(kind, "_field_defaults")


@cache
def _fields(kind: Any) -> tuple[dict[str, Any], frozenset[str]]:
    """Schemas of a record's fields by name, and the fields that have a default."""
    kinds = typing.get_type_hints(kind, include_extras=True)
    if not dataclasses.is_dataclass(kind):
        return kinds, frozenset(kind._field_defaults)
    rows, missing = dataclasses.fields(kind), dataclasses.MISSING
    defaults = {
        row.name
        for row in rows
        if (row.default, row.default_factory) != (missing, missing)
    }
    return {row.name: kinds[row.name] for row in rows}, frozenset(defaults)


def _fit_record(value: Any, kind: Any, key: str) -> Any:
    kinds, defaults = _fields(kind)
    if isinstance(value, (list, tuple)) and issubclass(kind, tuple):
        if len(kinds) - len(defaults) <= len(value) <= len(kinds):
            value = dict(zip(kinds, value, strict=False))
    if not isinstance(value, dict):
        raise _Mismatch(key, _found(value), _expected(kind))
    for name in kinds:
        if name not in value and name not in defaults:
            raise _Mismatch(_below(key, name), "missing", "")
    for name in value:
        if name not in kinds:
            known = f"one of {', '.join(kinds)}"
            raise _Mismatch(_below(key, name), "an unknown key", known)
    fields = {
        name: _fit(v, kinds[name], _below(key, name)) for name, v in value.items()
    }
    try:
        return kind(**fields)
    except InputError as error:  # its fields disagree
        raise _Mismatch(key, f"wrong: {error}", "") from error


def _below(key: str, name: Any) -> str:
    name = name if str(name).isidentifier() else _found(name)
    return f"{key}.{name}" if key else name


def _found(value: Any) -> str:
    """Says in words of JSON and Python what a value is."""
    if value is None or isinstance(value, bool):
        return "nothing" if value is None else str(value).lower()
    if isinstance(value, Real):
        huge = isinstance(value, Integral) and abs(value) >= 10**_MOST_DIGITS
        return "a huge number" if huge else str(value)
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return f"an object of {len(value)}"
    text = repr(value) if isinstance(value, str) else type(value).__name__
    return text if len(text) <= 60 else f"{text[:60]}..."


_WORDS = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    NoneType: "nothing",
    Path: "a path",
    str: "text",
}


def _expected(kind: Any) -> str:
    """Says in words what a schema asks for."""
    origin, parts = _apart(kind)
    if origin is Annotated:
        length = "" if parts[0] in (int, float) else "of length "
        return f"{_expected(parts[0])} {length}{parts[1]}"
    if origin in (Union, UnionType):
        return " or ".join(map(_expected, parts))
    if origin is Literal:
        return f"one of {', '.join(map(repr, parts))}"
    if origin is Callable:
        return "a class or function (in a .gin file @Name, without quotes or brackets)"
    if origin is Sequence or (origin is tuple and parts[-1] is Ellipsis):
        return "a list"
    if origin is tuple:
        return f"a list of {len(parts)}"
    return _WORDS.get(kind, "an object")
