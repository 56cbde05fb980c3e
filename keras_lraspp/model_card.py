"""What a model's classes are called, without the data set that it was trained on."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

from keras_lraspp.classes import CLASS_SETS, ClassSet, generic_class_set
from keras_lraspp.errors import InputError

# Member of a `.keras` file, written by training, with "classes" and "palette".
CARD = "keras_lraspp.json"
_LARGEST_CARD = 1 << 20  # bytes; 256 classes take about 10 000


def named_classes(classes: ClassSet | str | int | Sequence[str]) -> ClassSet:
    """Finds names and colours of classes that someone named.

    Args:
        classes: Name of a row of `CLASS_SETS`, such as `"cityscapes"`; a list of
            names; a number of classes; or a `ClassSet`, which is returned.

    Returns:
        Names and colours.

    Raises:
        InputError: For an unknown name.
    """
    if isinstance(classes, ClassSet):
        return classes
    if isinstance(classes, int):
        return generic_class_set(classes)
    if not isinstance(classes, str):
        return ClassSet(tuple(classes), generic_class_set(len(classes)).palette)
    if classes not in CLASS_SETS:
        raise InputError(
            f"There are no classes named {classes!r}; give one of "
            f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
        )
    return CLASS_SETS[classes]


def has_card(path: Path) -> bool:
    """Says whether a file is an archive that notes its classes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return CARD in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def noted_classes(path: Path) -> ClassSet:
    """Reads the classes that training noted in a `.keras` file.

    Args:
        path: The file.

    Returns:
        Names and colours.

    Raises:
        InputError: If the file does not say them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CARD).file_size > _LARGEST_CARD:
                raise ValueError(f"{CARD} is larger than {_LARGEST_CARD} bytes")
            card = json.loads(archive.read(CARD))
        names = tuple(str(name) for name in card["classes"])
        palette = tuple(
            (int(red), int(green), int(blue)) for red, green, blue in card["palette"]
        )
        if not names or len(names) != len(palette):
            raise ValueError(f"{len(names)} names, {len(palette)} colours")
    except Exception as error:  # a damaged archive raises many kinds
        raise InputError(
            f"{path} does not say what its classes are ({error}); take the file that "
            "a training wrote, or say which classes it has."
        ) from error
    return ClassSet(names, palette)
