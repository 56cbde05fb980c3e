"""Metadata inside exported files: classes, colours, variant, smallest image."""

import json
from typing import NamedTuple

from keras_lraspp.classes import ClassSet

INPUT = "image"  # uint8 RGB (B, H, W, 3)
OUTPUTS = ("labels", "logits", "probabilities")
KEY = "keras_lraspp"  # name of the entry in a LiteRT file
ASSET = f"{KEY}.json"  # in a SavedModel's assets/


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
            entries["classes"] = json.dumps(list(names), ensure_ascii=False)
            entries["palette"] = json.dumps([list(color) for color in palette])
        return entries

    @classmethod
    def of_entries(cls, entries: dict[str, str], num_classes: int) -> "Metadata":
        """Reads `entries` back, in foreign files without some; raises ValueError."""
        classes = None
        if "classes" in entries:
            names = tuple(str(name) for name in json.loads(entries["classes"]))
            palette = tuple(
                (int(red), int(green), int(blue))
                for red, green, blue in json.loads(entries["palette"])
            )
            if len(names) != len(palette):
                raise ValueError(f"{len(names)} classes have {len(palette)} colours")
            classes = ClassSet(names, palette)
        return cls(
            int(entries.get("num_classes", num_classes)),
            int(entries.get("smallest_side", 1)),
            entries.get("variant"),
            classes,
        )
