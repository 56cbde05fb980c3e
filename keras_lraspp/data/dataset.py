"""A data set: which files belong together, and what their labels mean."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_lraspp.data.label_spec import LabelSpec
from keras_lraspp.data.loading import load_sample
from keras_lraspp.data.windows import Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import open_image


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset(LabelSpec):
    """One split of a data set of image and label files, listed but not read.

    One kind of `Samples` and `WindowSamples`. It is also the `LabelSpec` of its labels.

    Attributes:
        name: Short name, as "cityscapes".
        root: Folder of the data set.
        split: Name of the split, as "train".
        images: Image files.
        labels: Label files, `labels[i]` for `images[i]`; empty for a split without
            labels.
    """

    name: str
    root: Path
    split: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]

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

    def __len__(self) -> int:
        """Number of images."""
        return len(self.images)

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        return bool(self.labels)

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `loading.load_sample`."""
        return load_sample(self.images[index], self.labels[index], self)

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a part of a sample; see `windows.WindowSamples.load_window`."""
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
