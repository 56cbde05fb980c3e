"""Palettes: of files, and one for pictures that colour-blind readers can tell apart."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Color, Name, check_value, parse_json, read_text

Palette = Sequence[tuple[int, int, int]]

_LARGEST_FILE = 1 << 20  # bytes; a palette of 256 classes takes about 10 000
_FORMS = (
    'a JSON file is {"road": [128, 64, 128], ...} or a list of [red, green, blue]; '
    "a .txt file has lines of `red green blue name`"
)

# Found by annealing: the smallest distance of two classes in OKLab, with full colour
# vision and with each kind of dichromacy, is made as large as it gets while hues stay
# near those that one expects. tests/test_palettes.py has the distances.
_STREET = {
    "road": (120, 66, 137),
    "sidewalk": (216, 120, 255),
    "building": (74, 67, 80),
    "wall": (132, 110, 161),
    "fence": (153, 165, 122),
    "pole": (182, 205, 176),
    "traffic light": (252, 181, 0),
    "traffic sign": (255, 254, 57),
    "vegetation": (31, 126, 72),
    "terrain": (172, 255, 170),
    "sky": (124, 209, 255),
    "person": (219, 37, 27),
    "rider": (244, 126, 30),
    "car": (21, 40, 207),
    "truck": (133, 37, 0),
    "bus": (86, 178, 189),
    "train": (16, 42, 90),
    "motorcycle": (189, 52, 255),
    "bicycle": (75, 0, 5),
}
# Classes of CamVid by those of Cityscapes that are nearest.
_ALSO = {
    "pavement": "sidewalk",
    "tree": "vegetation",
    "sign": "traffic sign",
    "pedestrian": "person",
    "bicyclist": "rider",
}


def picture_palette(classes: ClassSet) -> Palette:
    """Returns the colours of classes in pictures to be looked at.

    For the classes of Cityscapes and CamVid in their own colours these are others,
    which readers with protanopia, deuteranopia or tritanopia can tell apart, and
    everybody when they lie over an image. All other classes keep theirs.

    Args:
        classes: Names, and the colours that label pictures have.

    Returns:
        RGB, 0..255, of each class.
    """
    if classes not in (CLASS_SETS["cityscapes"], CLASS_SETS["camvid"]):
        return classes.palette
    return tuple(_STREET[_ALSO.get(name, name)] for name in classes.names)


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
    source = f"The palette {path}"
    text = read_text(path, mend=_FORMS, most=_LARGEST_FILE)
    if path.suffix.lower() != ".json":
        content = _parse_rows(path, text)
    else:
        content = parse_json(text, Any, source, mend=_FORMS)
    if isinstance(content, dict):
        colors = check_value(content, dict[Name, Color], source, mend=_FORMS)
        missing = [name for name in names if name not in colors]
        if missing:
            raise InputError(
                f"{source} has no colour for {', '.join(missing)}; give one to each of "
                f"the model's {len(names)} classes."
            )
        return tuple(colors[name] for name in names)
    colors = check_value(content, tuple[Color, ...], source, mend=_FORMS)
    if len(colors) != len(names):
        raise InputError(
            f"{source} has {len(colors)} colours, but the model has {len(names)} "
            f"classes; {_FORMS}."
        )
    return colors


def _parse_rows(path: Path, text: str) -> dict[str, list]:
    rows = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        *color, name = line.split(maxsplit=3)
        if len(color) != 3 or not all(re.fullmatch("[0-9]{1,3}", c) for c in color):
            raise InputError(
                f"Line {number} of the palette {path} is {line.strip()[:60]!r}; write "
                "`red green blue name`, as `128 64 128 road`."
            )
        if name.strip() in rows:
            raise InputError(
                f"The palette {path} has two colours for {name.strip()[:60]!r}; leave "
                "one of them."
            )
        rows[name.strip()] = [int(part) for part in color]
    return rows
