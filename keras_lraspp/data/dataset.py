"""Segmentation data sets: the protocol, and data sets of image and label files."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Protocol, Self, runtime_checkable

import numpy as np

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.data.decode import load_sample
from keras_lraspp.data.label_spec import LabelSpec
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import WHITE, image_orientation, image_size
from keras_lraspp.schema import Bounds, Channels, check_argument

ORIENTATIONS = ("refuse", "warn", "stored", "upright")
White = Annotated[int, Bounds(1, WHITE)]  # in an image of 16 bits


@runtime_checkable
class SegmentationDataset(Protocol):
    """Protocol of data sets: samples read by index, in any order, from several threads.

    Image and label files (`Dataset`), records of TFDS and shards follow it, and
    whatever else does can be trained on. `training_batches` makes the order of
    training, the seeds and resuming of these indices alone, so a data set needs to know
    nothing of them. Where images have another number of channels than 3, an attribute
    `channels` says it.

    What are properties here may be attributes, frozen ones too.
    """

    @property
    def name(self) -> str:
        """Short name, as "cityscapes"."""
        ...

    @property
    def split(self) -> str:
        """Name of the split, as "train"."""
        ...

    @property
    def root(self) -> Path:
        """Its folder."""
        ...

    @property
    def classes(self) -> ClassSet:
        """Names and colours of the classes."""
        ...

    @property
    def ignore_label(self) -> int | None:
        """Label of pixels that count nowhere; `None` if every pixel counts."""
        ...

    @property
    def labelled(self) -> bool:
        """Whether there are labels."""
        ...

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        ...

    def __len__(self) -> int:
        """Number of samples."""
        ...

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample.

        Args:
            index: 0..`len(self)` - 1.

        Returns:
            Image uint8 (height, width, channels), or something NumPy takes for it, and
            classes (height, width) of `label_dtype(self)`, checked.

        Raises:
            DamagedFileError: If the sample cannot be decoded.
            InputError: For anything else that is wrong with it, naming it.
        """
        ...

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image, as cheaply as the source can tell."""
        ...

    def source(self, index: int) -> str:
        """Where a sample's image is: its path, or its shard and place in it."""
        ...

    def select(self, indices: Sequence[int]) -> Self:
        """The same data set with these samples only, in this order."""
        ...


@dataclasses.dataclass(frozen=True, kw_only=True)
class Dataset(LabelSpec):
    """One split of a data set of image and label files, listed but not read.

    A `SegmentationDataset` and `RegionReadable`, and the `LabelSpec` of its labels.

    Attributes:
        name: Short name, as "cityscapes".
        root: Folder of the data set.
        split: Name of the split, as "train".
        images: Image files.
        labels: Label files, `labels[i]` for `images[i]`; empty for a split without
            labels.
        orientation: What to do with an image's EXIF orientation: `"upright"` turns it
            by that, as prediction does; `"stored"` takes the pixels as stored, which
            labels belong to; `"warn"` as well, but a check of the data set warns; with
            `"refuse"` it is a fault.
        white: Value of white in images of 16 bits, see `read_image`.
        channels: Number of channels of the images, see `read_image`.
    """

    name: str
    root: Path
    split: str
    images: tuple[Path, ...]
    labels: tuple[Path, ...]
    orientation: str = "warn"
    white: White = WHITE
    channels: Channels = 3

    def __post_init__(self):
        """Refuses what would be misread silently later."""
        super().__post_init__()
        check_argument("white", self.white, White)
        check_argument("channels", self.channels, Channels)
        check_orientation(self.orientation)
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

    @property
    def is_upright(self) -> bool:
        """Whether images are turned by their EXIF orientation."""
        return self.orientation == "upright"

    @property
    def reading(self) -> dict[str, int]:
        """How images are read: the arguments of `load_image` and `load_sample`."""
        settings = {"white": self.white, "channels": self.channels}
        return {"upright": self.is_upright, **settings}

    def load(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Reads a sample; see `load_sample`."""
        paths = self.images[index], self.labels[index]
        return load_sample(*paths, self, **self.reading)

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a region of a sample; see `RegionReadable.load_window`."""
        paths = self.images[index], self.labels[index]
        return load_sample(*paths, self, window, **self.reading)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image, from its header."""
        return image_size(self.images[index], self.channels, upright=self.is_upright)

    def image_orientation(self, index: int) -> int:
        """EXIF orientation of an image, from its header; 1 is upright."""
        return image_orientation(self.images[index], self.channels)

    def source(self, index: int) -> str:
        """The image's path."""
        return str(self.images[index])

    def select(self, indices: Sequence[int]) -> Self:
        """The same data set with these samples only, in this order."""
        return dataclasses.replace(
            self,
            images=tuple(self.images[index] for index in indices),
            labels=tuple(self.labels[index] for index in indices if self.labels),
        )


def check_orientation(orientation: str) -> None:
    """Refuses what is no rule for EXIF orientations."""
    if orientation not in ORIENTATIONS:
        raise InputError(
            f"orientation is one of {ORIENTATIONS}, not {orientation!r}; correct it."
        )


def channels_of(dataset: SegmentationDataset) -> int:
    """Number of channels of a data set's images; 3 if it does not say."""
    return getattr(dataset, "channels", 3)


def check_model_channels(
    model: str, channels: int, dataset: SegmentationDataset
) -> None:
    """Raises InputError if a data set's images are not of a model's channels.

    Args:
        model: What the model is called in the message.
        channels: Number of channels that it takes.
        dataset: The data set.
    """
    found = channels_of(dataset)
    if found != channels:
        raise InputError(
            f"{model} takes {channels}-channel images, but those of {dataset.name} "
            f"have {found}; set the data set's channels = {channels}, or take a model "
            f"of input_shape = (None, None, {found})."
        )


def open_dataset(
    factory: Callable[..., SegmentationDataset],
    data_root: str | Path | None,
    split: str,
) -> SegmentationDataset:
    """Calls a factory as `Cityscapes`; without `data_root` it takes its own default."""
    if data_root is None:
        return factory(split=split)
    return factory(root=data_root, split=split)


def configured_classes(
    factory: Callable[..., SegmentationDataset] | None, data_root: str | Path | None
) -> ClassSet | None:
    """Returns the classes that a data set has, also if it is not there but well known.

    Args:
        factory: As of `open_dataset`; `None` for none.
        data_root: Folder of the data set, if not its default.

    Returns:
        Names and colours; `None` where they cannot be had.
    """
    if factory is None:
        return None
    name = getattr(getattr(factory, "func", factory), "__name__", "").lower()
    if name in CLASS_SETS:  # `Cityscapes` and others that have one set of classes
        return CLASS_SETS[name]
    try:
        return open_dataset(factory, data_root, "val").classes
    except InputError:
        return None
