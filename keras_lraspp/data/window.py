"""Regions of images: crop-first augmentation, and data sets that decode regions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:  # listing a data set needs no TensorFlow
    import tensorflow as tf


class Window(NamedTuple):
    """A region of an image; integers or scalar int32 tensors, in pixels."""

    height: int | tf.Tensor  # of the whole image
    width: int | tf.Tensor
    top: int | tf.Tensor  # first row of the region
    bottom: int | tf.Tensor  # one behind its last row
    left: int | tf.Tensor
    right: int | tf.Tensor


def full_image(height: int | tf.Tensor, width: int | tf.Tensor) -> Window:
    """The window that is all of an image."""
    return Window(height, width, 0, height, 0, width)


class CropFirst(NamedTuple):
    """A transform that says which region it needs, so that no more is decoded.

    Attributes:
        apply: Called as `apply(image, label, seed, window=window)`, where image and
            label are that region; as any other transform without `window`.
        window: Tells from height, width and seed which region `apply` needs.
    """

    apply: Callable
    window: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Window]

    def __call__(self, image, label, seed, window: Window | None = None):
        """Applies the transform."""
        if window is None:
            return self.apply(image, label, seed)
        return self.apply(image, label, seed, window=window)


@runtime_checkable
class RegionReadable(Protocol):
    """A `SegmentationDataset` that decodes a region for less than the whole image."""

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        ...

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a region of a sample.

        Args:
            index: Number of the sample.
            window: The region, in integers.

        Returns:
            Image uint8 (rows, columns, 3) and classes (rows, columns), as in `load`.
        """
        ...
