"""Colours of classes from a file that a person wrote."""

import json
from collections.abc import Sequence
from pathlib import Path

from keras_lraspp.errors import InputError

_LARGEST = 1 << 20  # bytes; 256 classes take about 10 000
_FORMS = (
    'a JSON file is {"road": [128, 64, 128], ...} or a list of [red, green, blue]; '
    "a .txt file has lines of `red green blue name`"
)


class _Pairs(list):
    """A JSON object as its pairs: a dictionary would hide a name given twice."""


def read_palette(
    path: str | Path, names: Sequence[str]
) -> tuple[tuple[int, int, int], ...]:
    """Reads the colour of each class from a file.

    A `.json` file is an object `{name: [red, green, blue]}`, or a list of colours in
    the order of the classes. Any other file has lines of `red green blue name`, where
    the name may have spaces; blank lines and those that begin with `#` are skipped.
    Colours of names that are no class are ignored: one file serves several models.

    Args:
        path: The file.
        names: Name of each class.

    Returns:
        RGB, 0..255, of each class.

    Raises:
        InputError: If the file cannot be read, has no colour for a class, two for one
            name, or something that is no colour.
    """
    path = Path(path)
    text = _text(path)
    if path.suffix.lower() != ".json":
        return _by_name(path, _rows(path, text), names)
    try:
        content = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON ({error}); {_FORMS}.") from error
    if isinstance(content, _Pairs):
        return _by_name(path, content, names)
    if not isinstance(content, list) or len(content) != len(names):
        given = f"{len(content)} colours" if isinstance(content, list) else "no list"
        raise InputError(
            f"The palette {path} has {given}, but the model has {len(names)} classes; "
            f"{_FORMS}."
        )
    pairs = zip(names, content, strict=True)
    return tuple(_color(path, name, color) for name, color in pairs)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise InputError(
                f"{path} has more than {_LARGEST} bytes, too many for a palette; "
                f"{_FORMS}."
            )
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(
            f"Cannot read the palette {path}: {error.strerror}; check --palette."
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"The palette {path} is not text; {_FORMS}.") from error


def _rows(path: Path, text: str) -> list[tuple[str, list]]:
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        *color, name = line.split(maxsplit=3)
        if len(color) != 3 or not all(part.isdecimal() for part in color):
            raise InputError(
                f"Line {number} of the palette {path} is {line.strip()[:60]!r}; write "
                "`red green blue name`, as `128 64 128 road`."
            )
        rows.append((name.strip(), [int(part) for part in color]))
    return rows


def _by_name(path: Path, rows: list[tuple[str, object]], names: Sequence[str]):
    colors = {}
    for name, color in rows:
        if name in colors:
            raise InputError(
                f"The palette {path} has two colours for {name!r}; leave one of them."
            )
        colors[name] = _color(path, name, color)
    missing = [name for name in names if name not in colors]
    if missing:
        raise InputError(
            f"The palette {path} has no colour for {', '.join(missing)}; give one to "
            f"each of the model's {len(names)} classes."
        )
    return tuple(colors[name] for name in names)


def _color(path: Path, name: str, color: object) -> tuple[int, int, int]:
    whole = isinstance(color, list) and all(type(part) is int for part in color)
    if not whole or len(color) != 3 or not all(0 <= part <= 255 for part in color):
        raise InputError(
            f"The palette {path} gives {name!r} the colour {color!r}; write three "
            "whole numbers from 0 to 255: red, green, blue."
        )
    return tuple(color)
