"""Class names and colours from CVAT's, Roboflow's, LabelMe's and other label files."""

import csv
import re
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.classes import ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.schema import read_text

BACKGROUND = ("_background_", "background")  # as LabelMe and others call it
IGNORED = "__ignore__"  # LabelMe's name for what counts nowhere
_LARGEST = 1 << 20  # bytes
_FORMS = (
    "write a name on each line, CVAT's `name:red,green,blue::`, or Roboflow's "
    "`Pixel Value, Class`"
)
_CVAT = re.compile(r"([^:]+):\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*:.*")


class ClassFile(NamedTuple):
    """What a file says of the classes."""

    classes: ClassSet
    values: tuple[int, ...] | None = None  # in labels, if not 0, 1, 2, ...
    has_colors: bool = False  # whether the masks show these colours


def read_class_file(path: str | Path) -> ClassFile:
    """Reads names of classes, and the colours or values that masks have for them.

    - CVAT's `labelmap.txt`, `name:red,green,blue::`: the colours that masks have;
    - Roboflow's `_classes.csv`, `Pixel Value, Class`: the values that masks have;
    - any other file, as LabelMe's `class_names.txt` or PaddleSeg's `labels.txt`: a name
      on each line, `__ignore__` left out.

    Raises:
        InputError: If it cannot be read, or has a line of another form or a name twice.
    """
    path = Path(path)
    lines = read_text(path, mend=_FORMS, most=_LARGEST).splitlines()
    lines = [line.strip() for line in lines if line.strip()]
    if path.suffix.lower() == ".csv":
        return _from_csv(path, lines)
    lines = [line for line in lines if not line.startswith("#")]
    colored = [_CVAT.fullmatch(line) for line in lines]
    if not any(colored):
        return ClassFile(_class_set(path, [line for line in lines if line != IGNORED]))
    for line, match in zip(lines, colored, strict=True):
        if match is None or any(int(part) > 255 for part in match.groups()[1:]):
            raise _wrong(path, line)
    classes = _class_set(path, [match[1].strip() for match in colored])
    palette = tuple(tuple(map(int, match.groups()[1:])) for match in colored)
    return ClassFile(ClassSet(classes.names, palette), has_colors=True)


def read_class_names(path: str | Path) -> tuple[str, ...]:
    """Reads the names of `read_class_file`."""
    return read_class_file(path).classes.names


def _from_csv(path: Path, lines: list[str]) -> ClassFile:
    names, values = [], []
    header, *rows = list(csv.reader(lines, skipinitialspace=True)) or [[]]
    if [column.strip().lower() for column in header] != ["pixel value", "class"]:
        raise _wrong(path, ", ".join(header))
    for row in rows:
        value, *name = (column.strip() for column in row)
        if len(name) != 1 or not (value.isdecimal() and int(value) <= 65_535):
            raise _wrong(path, ", ".join(row))
        names.append(name[0])
        values.append(int(value))
    if len({*values}) < len(values):
        raise InputError(f"{path} has a pixel value twice; leave one of them.")
    in_order = values == list(range(len(values)))
    return ClassFile(_class_set(path, names), None if in_order else tuple(values))


def _class_set(path: Path, names: list[str]) -> ClassSet:
    twice = next((name for name in names if names.count(name) > 1), None)
    if not names or twice is not None:
        found = "no class" if twice is None else f"the class {twice!r} twice"
        raise InputError(f"{path} has {found}; {_FORMS}.")
    return ClassSet(tuple(names), generic_class_set(len(names)).palette)


def _wrong(path: Path, line: str) -> InputError:
    return InputError(f"{path} has the line {line[:60]!r}; {_FORMS}.")
