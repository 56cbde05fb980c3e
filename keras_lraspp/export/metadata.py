"""What an exported file says of itself: classes, colours, variant, smallest image."""

import json
from typing import NamedTuple, Protocol

import keras

from keras_lraspp.errors import InputError

INPUT = "image"  # uint8 RGB (B, H, W, 3)
OUTPUTS = ("labels", "logits", "probabilities")
KEY = "keras_lraspp"  # name of the entry in a LiteRT file


class Classes(Protocol):
    """Names and colours, e.g. a `ClassSet`."""

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


class NamedClasses(NamedTuple):
    """Names and colours of classes; equal to a `ClassSet` of the same."""

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


class Metadata(NamedTuple):
    """What is known of an exported network.

    Attributes:
        num_classes: Number of classes.
        smallest_side: Smallest height and width of an image, in pixels.
        variant: Name of the network, `None` if it has none.
        names: Names of the classes, `None` if they are not known.
        palette: RGB of each class, 0..255, `None` if `names` is.
    """

    num_classes: int
    smallest_side: int = 1
    variant: str | None = None
    names: tuple[str, ...] | None = None
    palette: tuple[tuple[int, int, int], ...] | None = None

    @property
    def classes(self) -> NamedClasses | None:
        """Names and colours, `None` if they are not known."""
        if self.names is None:
            return None
        return NamedClasses(self.names, self.palette)

    def entries(self) -> dict[str, str]:
        """Returns it as texts by name, those of the lists in JSON."""
        entries = {
            "num_classes": str(self.num_classes),
            "smallest_side": str(self.smallest_side),
        }
        if self.variant is not None:
            entries["variant"] = self.variant
        if self.names is not None:
            entries["classes"] = json.dumps(list(self.names), ensure_ascii=False)
            entries["palette"] = json.dumps([list(color) for color in self.palette])
        return entries

    @classmethod
    def of_entries(cls, entries: dict[str, str], num_classes: int) -> "Metadata":
        """Reads `entries` back; what is missing there, as in foreign files, is unknown.

        Args:
            entries: Texts by name.
            num_classes: What to take where `entries` do not say it.

        Raises:
            ValueError: If they are damaged.
        """
        names = palette = None
        if "classes" in entries:
            names = tuple(str(name) for name in json.loads(entries["classes"]))
            palette = tuple(
                (int(red), int(green), int(blue))
                for red, green, blue in json.loads(entries["palette"])
            )
            if len(names) != len(palette):
                raise ValueError(f"{len(names)} classes have {len(palette)} colours")
        return cls(
            int(entries.get("num_classes", num_classes)),
            int(entries.get("smallest_side", 1)),
            entries.get("variant"),
            names,
            palette,
        )


def describe(
    model: keras.Model, classes: Classes | None, variant: str | None
) -> Metadata:
    """Returns what a file of a model is to say.

    Raises:
        InputError: If `classes` are not as many as the model's.
    """
    count = model.output_shape[-1]
    if classes is not None and len(classes.names) != count:
        raise InputError(
            f"The model predicts {count} classes, but {len(classes.names)} are named; "
            f"give as many names."
        )
    return Metadata(
        count,
        getattr(model, "smallest_side", 1),
        variant,
        None if classes is None else tuple(classes.names),
        None if classes is None else tuple(tuple(color) for color in classes.palette),
    )
