"""The part of an image that an augmentation looks at, so that no more is decoded."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:  # listing a data set needs no TensorFlow
    import tensorflow as tf


class Window(NamedTuple):
    """A part of an image; integers or scalar int32 tensors, in pixels."""

    height: int | tf.Tensor  # of the whole image
    width: int | tf.Tensor
    top: int | tf.Tensor  # first row of the part
    bottom: int | tf.Tensor  # one behind its last row
    left: int | tf.Tensor
    right: int | tf.Tensor


def whole(height: int | tf.Tensor, width: int | tf.Tensor) -> Window:
    """The window that is all of an image."""
    return Window(height, width, 0, height, 0, width)


class Windowed(NamedTuple):
    """A step of an augmentation that looks at a part of the image only.

    Attributes:
        apply: Called as `apply(image, label, seed, window=window)`, where image and
            label are that part; as any other step without `window`.
        window: Tells from height, width and seed which part `apply` will look at.
    """

    apply: Callable
    window: Callable[[tf.Tensor, tf.Tensor, tf.Tensor], Window]

    def __call__(self, image, label, seed, window: Window | None = None):
        """Applies the step."""
        if window is None:
            return self.apply(image, label, seed)
        return self.apply(image, label, seed, window=window)


@runtime_checkable
class WindowSamples(Protocol):
    """`Samples` of which a part can be decoded for less than the whole."""

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of an image."""
        ...

    def load_window(self, index: int, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Reads a part of a sample.

        Args:
            index: Number of the sample.
            window: The part, in integers.

        Returns:
            Image uint8 (rows, columns, 3) and classes (rows, columns), as in `load`.
        """
        ...
