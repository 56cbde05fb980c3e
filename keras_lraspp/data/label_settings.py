"""What labels mean, as a person says it: the arguments that several readers share."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from keras_lraspp.data.dataset import ColorClass
from keras_lraspp.data.label_maps import (
    CLASS_SETS,
    ClassSet,
    ade20k_lookup,
    cityscapes_lookup,
    generic_class_set,
)
from keras_lraspp.data.pairing import some
from keras_lraspp.errors import InputError

LOOKUPS = {"cityscapes": cityscapes_lookup, "ade20k": ade20k_lookup}


class LabelSettings(NamedTuple):
    """Arguments of `Dataset` about labels, checked."""

    classes: ClassSet
    ignore_label: int | None
    label_lookup: tuple[int, ...] | None
    color_map: tuple[ColorClass, ...] | None


def label_settings(
    reader: str,
    *,
    num_classes: int | None = None,
    classes: str | Sequence[str] | None = None,
    ignore_label: int | None = 255,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
) -> LabelSettings:
    """Reads the arguments of a reader.

    Args:
        reader: Name of the reader, for messages.
        num_classes: Number of classes; may be left to `classes`.
        classes: Name of a class set, as `"cityscapes"`, or a list of names; `None` for
            "class 0", "class 1", ...
        ignore_label: Label of pixels that count nowhere, or `None`.
        label_lookup: What a file's value means, where files do not hold classes: a
            mapping from values to classes (values it leaves out are ignored), a
            sequence indexed by value, `"cityscapes"` for labelIds, or `"ade20k"`.
        color_map: Rows `(red, green, blue, class)` where labels are RGB masks.

    Returns:
        The arguments as `Dataset` takes them.

    Raises:
        InputError: If an argument cannot be, or two disagree.
    """
    return LabelSettings(
        _class_set(reader, classes, num_classes),
        ignore_label,
        _lookup(label_lookup, ignore_label),
        _color_map(reader, color_map),
    )


def _class_set(reader: str, classes, num_classes: int | None) -> ClassSet:
    if isinstance(classes, str):
        if classes not in CLASS_SETS:
            raise InputError(
                f"{reader}.classes names no class set: {classes!r}; give one of "
                f"{sorted(CLASS_SETS)} or a list of names."
            )
        found = CLASS_SETS[classes]
    elif classes is not None:
        found = ClassSet(tuple(classes), generic_class_set(len(classes)).palette)
    elif num_classes is not None:
        found = generic_class_set(num_classes)
    else:
        raise InputError(f"{reader} needs num_classes or classes; set one of them.")
    if num_classes not in (None, len(found.names)):
        raise InputError(
            f"{reader}.num_classes is {num_classes} but classes has "
            f"{len(found.names)} names; make them agree or leave out one."
        )
    return found


def _lookup(lookup, ignore_label: int | None) -> tuple[int, ...] | None:
    if lookup is None:
        return None
    if isinstance(lookup, str):
        if lookup in LOOKUPS:
            return tuple(LOOKUPS[lookup]().tolist())
        raise InputError(
            f"label_lookup is one of {sorted(LOOKUPS)}, a mapping or a sequence, not "
            f"{lookup!r}."
        )
    if isinstance(lookup, Mapping):
        if ignore_label is None:
            raise InputError(
                "A label_lookup mapping leaves out values, which are then ignored; set "
                "ignore_label, or give a sequence with a class for every value."
            )
        size = max([255, *lookup]) + 1
        lookup = [lookup.get(value, ignore_label) for value in range(size)]
    return tuple(int(label) for label in lookup)


def _color_map(reader: str, rows) -> tuple[ColorClass, ...] | None:
    wrong = [row for row in rows or () if len(row) != 4]
    if wrong:
        raise InputError(
            f"Rows of {reader}.color_map are (red, green, blue, class), not "
            f"{some(wrong)}; correct them."
        )
    return tuple(ColorClass(*row) for row in rows) if rows else None
