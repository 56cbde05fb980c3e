"""What the pipeline, the checks and the evaluation ask of a data set."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from keras_lraspp.classes import ClassSet


@runtime_checkable
class Samples(Protocol):
    """Samples that can be read by number, in any order and by several threads at once.

    `Dataset` (image and label files) and `TfdsSamples` (records in shards) are such.
    The order of training, the seeds and resuming are made of these numbers by
    `pipeline.training_batches` alone, so a source that keeps to this needs to know
    nothing of them: the stream is exact and starts anywhere in no time.

    Attributes:
        name: Short name, as "cityscapes".
        split: Name of the split, as "train".
        root: Its folder.
        classes: Names and colours of the classes.
        ignore_label: Label of pixels that count nowhere; `None` if every pixel counts.
        labelled: Whether there are labels.
        num_classes: Number of classes.
    """

    name: str
    split: str
    root: Path
    classes: ClassSet
    ignore_label: int | None

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
            Image uint8 (height, width, 3), or something NumPy takes for it, and classes
            (height, width) of `loading.label_dtype(self)`, checked.

        Raises:
            DamagedFileError: If the sample cannot be decoded.
            InputError: For anything else that is wrong with it, naming it.
        """
        ...

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image, as cheaply as the source can tell."""
        ...

    def where(self, index: int) -> str:
        """Says where a sample's image is: its path, or its shard and place in it."""
        ...

    def select(self, indices: Sequence[int]) -> "Samples":
        """The same data set with these samples only, in this order."""
        ...
