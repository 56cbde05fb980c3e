"""A data set: which files belong together, and what their labels mean."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from keras_lraspp.data.label_maps import ClassSet
from keras_lraspp.data.opening import open_image
from keras_lraspp.errors import InputError

if TYPE_CHECKING:  # listing files needs no TensorFlow
    from keras_lraspp.data.windows import Window


class ColorClass(NamedTuple):
    """What one colour of an RGB mask stands for."""

    red: int
    green: int
    blue: int
    label: int  # a class, or the ignore label


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset:
    """One split of a data set of image and label files, listed but not read.

    One kind of `Samples` and `WindowSamples`.

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

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return bool(self.labels)

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `loading.load_sample`."""
        from keras_lraspp.data.loading import load_sample

        return load_sample(self.images[index], self.labels[index], self)

    def load_window(
        self, index: int, window: "Window"
    ) -> tuple[np.ndarray, np.ndarray]:
        """Reads a part of a sample; see `windows.WindowSamples.load_window`."""
        from keras_lraspp.data.loading import load_sample

        return load_sample(self.images[index], self.labels[index], self, window)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image as stored, from its header."""
        with open_image(self.images[index]) as image:
            return image.height, image.width

    def where(self, index: int) -> str:
        """The image's path."""
        return str(self.images[index])

    def select(self, indices: Sequence[int]) -> "Dataset":
        """The same data set with these samples only, in this order."""
        return dataclasses.replace(
            self,
            images=tuple(self.images[index] for index in indices),
            labels=tuple(self.labels[index] for index in indices if self.labels),
        )
