"""A data set: which files belong together, and what their labels mean."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.data.label_maps import ClassSet
from keras_lraspp.errors import InputError


class ColorClass(NamedTuple):
    """What one colour of an RGB mask stands for."""

    red: int
    green: int
    blue: int
    label: int  # a class, or the ignore label


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """One split of a data set, listed but not read.

    Attributes:
        name: Short name, as "cityscapes".
        root: Folder of the data set.
        split: Name of the split, as "train".
        images: Image files.
        labels: Label files, `labels[i]` for `images[i]`; empty for a split without
            labels.
        classes: Names and colours of the classes.
        ignore_label: Label of pixels that count nowhere; `None` if every pixel counts.
        label_lookup: `label_lookup[value]` is the class of a file's value; `None` if
            files hold classes.
        color_map: Meaning of the colours where labels are RGB masks; `None` if labels
            are single-channel or palette images.
    """

    name: str
    root: Path
    split: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    classes: ClassSet
    ignore_label: int | None = 255
    label_lookup: tuple[int, ...] | None = None
    color_map: tuple[ColorClass, ...] | None = None

    def __post_init__(self):
        """Refuses what would be misread silently later."""
        if self.labels and len(self.labels) != len(self.images):
            raise InputError(
                f"{self.name} {self.split} has {len(self.images)} images and "
                f"{len(self.labels)} labels; give one label per image, or none at all."
            )
        if self.ignore_label is not None and self.ignore_label < self.num_classes:
            raise InputError(
                f"ignore_label {self.ignore_label} of {self.name} is not above its "
                f"classes 0..{self.num_classes - 1}; choose a larger value, or None."
            )

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes.names)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)
