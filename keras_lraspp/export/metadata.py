"""Metadata inside exported files: classes, colours, variant, smallest image."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from keras_lraspp.classes import MOST_CLASSES, ClassCard, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.palettes import picture_palette
from keras_lraspp.schema import Bounds, Count, Name, check_value, parse_json

INPUT = "image"  # uint8 (B, H, W, C), of RGB by default
OUTPUTS = ("labels", "logits", "probabilities")
# Of files; other formats have float32 alone.
FILE_PRECISIONS = {
    "litert": ("float32", "float16", "dynamic", "int8"),
    "onnx": ("float32", "int8"),
}
# Files that a SavedModel decodes, by channels; TensorFlow has none of other numbers.
DECODED_FILES = {1: "JPEG or PNG", 3: "JPEG or PNG", 4: "RGBA PNG"}
KEY = "keras_lraspp"  # name of the entry in a LiteRT file
ASSET = f"{KEY}.json"  # in a SavedModel's assets/
MEND = "export the model again"
MOST_METADATA = 2**20  # bytes; a thousand classes need a tenth of it


def check_precision(name: str, precision: str) -> None:
    """Raises InputError for a precision that files of a format do not have."""
    if precision not in FILE_PRECISIONS[name]:
        raise InputError(
            f"precision is one of {FILE_PRECISIONS[name]}, not {precision!r}."
        )


def fitting_precisions(name: str, precisions: Sequence[str]) -> list[str]:
    """Returns those of `precisions` that a format has; float32 if it has none."""
    has = FILE_PRECISIONS.get(name, ("float32",))
    return [each for each in precisions if each in has] or ["float32"]


class Metadata(NamedTuple):
    """Facts about an exported network."""

    num_classes: int
    smallest_side: int = 1  # smallest height and width of an image, in pixels
    variant: str | None = None  # name of the network
    classes: ClassSet | None = None  # names and colours, if they are known

    def entries(self) -> dict[str, str]:
        """Returns it as texts by name, those of the lists in JSON."""
        entries = {
            "num_classes": str(self.num_classes),
            "smallest_side": str(self.smallest_side),
        }
        if self.variant is not None:
            entries["variant"] = self.variant
        if self.classes is not None:
            names, palette = self.classes
            pictures = picture_palette(self.classes)
            entries["classes"] = json.dumps(list(names), ensure_ascii=False)
            entries["palette"] = json.dumps([list(color) for color in palette])
            if pictures != palette:  # for who draws overlays, as our page
                entries["picture_palette"] = json.dumps([[*c] for c in pictures])
        return entries

    @classmethod
    def of_entries(
        cls, entries: dict[str, str], num_classes: int, source: str
    ) -> "Metadata":
        """Reads `entries` back, in foreign files without some.

        Args:
            entries: What a file says; others than ours are passed over.
            num_classes: What its scores say; 0 if it has none.
            source: The file, for messages.

        Raises:
            InputError: If it contradicts itself, or a value is none of ours.
        """
        texts = {key: entries[key] for key in _SCHEMAS if key in entries}
        check_value(texts, _Texts, source, mend=MEND)
        found = {
            key: parse_json(text, _SCHEMAS[key], f"{key} of {source}", mend=MEND)
            for key, text in texts.items()
            if key != "variant"
        }
        variant = texts.get("variant")
        check_value(variant, Name | None, f"variant of {source}", mend=MEND)
        classes = None
        if "classes" in found:
            card = {key: found[key] for key in ("classes", "palette") if key in found}
            classes = check_value(card, ClassCard, source, mend=MEND).class_set
        count = found.get("num_classes", num_classes)
        named = len(classes.names) if classes else count
        if count != (num_classes or count) or count != named or count > MOST_CLASSES:
            raise InputError(
                f"{source} says that it has {count} classes, gives the scores of "
                f"{num_classes or count} and names {named}; {MEND}."
            )
        return cls(count, found.get("smallest_side", 1), variant, classes)


def image_kind(channels: int) -> str:
    """Returns what an image of so many channels is called."""
    return {1: "Grey", 3: "RGB"}.get(channels, f"{channels}-channel")


_Texts = dict[str, Annotated[str, Bounds(0, MOST_METADATA)]]
_SCHEMAS = {
    "num_classes": Annotated[int, Bounds(1, MOST_CLASSES)],
    "smallest_side": Count,
    "variant": Name,
    "classes": Any,  # `ClassCard` checks them together
    "palette": Any,
}
