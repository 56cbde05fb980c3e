"""Test-time augmentation: flip, several scales and sliding windows."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.layers.resizing import resize_bilinear

_LARGEST_SCALE = 16.0  # 100 is a percentage, and would take all memory

Tensor = Any  # of the backend
_Side = int | Tensor


@dataclass(frozen=True, kw_only=True)
class InferenceOptions:
    """How an image is scored: once, or several times and averaged.

    The logits of all passes are averaged before the arg-max or softmax, all with the
    same weight.

    Attributes:
        flip: Whether each pass is also made over the mirrored image.
        scales: Factors of the image's sides; each is one pass. An image of H x W is
            resized to int(H * scale + 0.5) x int(W * scale + 0.5).
        sliding_window: (height, width) in pixels of the windows that the scaled image
            is cut into; `None` for the whole image at once. Where windows overlap,
            their logits are averaged.
        stride: (down, across) in pixels from window to window, at most the window's
            size; `None` for two thirds of it, rounded down (at least 1).

    Raises:
        InputError: For values out of range, or a stride without a window.

    Example:
        ```python
        options = InferenceOptions(flip=True, scales=(0.75, 1.0, 1.25))
        ```
    """

    flip: bool = False
    scales: Sequence[float] = (1.0,)  # kept as a tuple
    sliding_window: tuple[int, int] | None = None
    stride: tuple[int, int] | None = None

    def __post_init__(self):
        """Checks the values and brings them into the types above."""
        if not isinstance(self.flip, bool):
            raise InputError(f"flip is True or False, not {self.flip!r}; choose one.")
        keep = object.__setattr__  # the instance is frozen
        keep(self, "scales", _scales(self.scales))
        if self.sliding_window is None:
            if self.stride is not None:
                raise InputError(
                    f"stride={self.stride!r} needs a sliding_window that it moves; "
                    f"give both or leave out the stride."
                )
            return
        window = _pair("sliding_window", self.sliding_window)
        keep(self, "sliding_window", window)
        if self.stride is None:
            keep(self, "stride", tuple(max(1, 2 * side // 3) for side in window))
            return
        stride = _pair("stride", self.stride)
        if stride[0] > window[0] or stride[1] > window[1]:
            raise InputError(
                f"stride={stride} is larger than sliding_window={window}, which would "
                f"leave pixels between the windows; give a stride of at most that."
            )
        keep(self, "stride", stride)

    @property
    def passes(self) -> int:
        """How many times the whole image goes through, not counting overlaps."""
        return len(self.scales) * (1 + self.flip)


def _scales(given) -> tuple[float, ...]:
    values = given if isinstance(given, Iterable) else (given,)
    try:
        scales = tuple(float(scale) for scale in values)
    except (TypeError, ValueError):
        scales = ()
    good = all(0 < scale <= _LARGEST_SCALE for scale in scales)  # false for nan
    if not scales or not good or isinstance(given, str):
        raise InputError(
            f"scales are factors above 0 and up to {_LARGEST_SCALE:g}, as "
            f"(0.75, 1.0, 1.25), not {given!r}; correct them."
        )
    return scales


def _pair(name: str, given) -> tuple[int, int]:
    try:
        height, width = (int(side) for side in given)
        whole = all(math.isclose(side, int(side)) for side in given)
    except (TypeError, ValueError, OverflowError):
        height, width, whole = 0, 0, False
    if min(height, width) < 1 or not whole:
        raise InputError(
            f"{name} is (height, width) in whole pixels above 0, as (512, 1024), not "
            f"{given!r}; correct it."
        )
    return height, width


SINGLE_PASS = InferenceOptions()


class Network(NamedTuple):
    """The forward pass of a network, in inference mode."""

    # Pixels (B, h, w, C), uint8 or float32 0..255, to logits (B, h, w, num_classes).
    forward: Callable[[Tensor], Tensor]
    num_classes: int


def summed_logits(network: Network, images: Tensor, options: InferenceOptions):
    """Sums the logits of all passes; backend operations only, for a compiled graph.

    Takes uint8 images (B, H, W, C), whose sides may be known only at run time on
    TensorFlow. Returns (B, H, W, num_classes) in float32, or in the network's type for
    a single pass.
    """
    if options == SINGLE_PASS:
        return network.forward(images)
    size = keras.ops.shape(images)[1:3]
    total = None
    for scale in options.scales:
        scaled = images if total is None else after(images, total)
        if scale != 1:
            sides = [scaled_side(side, scale) for side in size]
            scaled = resize_bilinear(keras.ops.cast(scaled, "float32"), sides)
        logits = _with_mirrored(network, scaled, options)
        if scale != 1:
            logits = resize_bilinear(logits, size)
        total = logits if total is None else total + logits
    return total


def mean_logits(network: Network, images: Tensor, options: InferenceOptions):
    """Like `summed_logits`, but the mean over the passes, always float32."""
    total = keras.ops.cast(summed_logits(network, images, options), "float32")
    return total if options.passes == 1 else total / options.passes


def scaled_side(side: int | Tensor, scale: float) -> int | Tensor:
    """Returns int(side * scale + 0.5), also of a side known only at run time."""
    if isinstance(side, int):
        return int(side * scale + 0.5)
    exact = keras.ops.cast(side, "float64") * scale + 0.5  # as Python's
    return keras.ops.cast(exact, "int32")


def _with_mirrored(network: Network, images: Tensor, options: InferenceOptions):
    logits = _score_windows(network, images, options)
    if not options.flip:
        return logits
    mirrored = keras.ops.flip(after(images, logits), axis=2)
    return logits + keras.ops.flip(_score_windows(network, mirrored, options), axis=2)


def _score_windows(network: Network, images: Tensor, options: InferenceOptions):
    if options.sliding_window is None:
        return keras.ops.cast(network.forward(images), "float32")
    return _slide(*network, images, options.sliding_window, options.stride)


def after(images: Tensor, logits: Tensor) -> Tensor:
    """Returns `images`, but not before `logits` are there.

    TensorFlow would run the passes side by side and keep the features of all of them
    in memory.
    """
    if keras.backend.backend() != "tensorflow":
        return images
    import tensorflow as tf

    with tf.control_dependencies([logits]):
        return tf.identity(images)


def _slide(
    forward: Callable[[Tensor], Tensor],
    num_classes: int,
    images: Tensor,
    window: tuple[int, int],
    stride: tuple[int, int],
) -> Tensor:
    """Scores windows one after the other and averages their logits where they overlap.

    PaddleSeg's `slide_inference`: windows start at multiples of the stride; the last
    of a row or column is moved back inside. An image smaller than the window is one
    window of its own size. The graph has one copy of the network, in a loop.
    Returns float32 logits (B, H, W, num_classes).
    """
    batch, height, width, channels = keras.ops.shape(images)
    window = _smaller(window[0], height), _smaller(window[1], width)
    rows = _count(height, window[0], stride[0])
    columns = _count(width, window[1], stride[1])
    if isinstance(rows * columns, int) and rows * columns == 1:
        return keras.ops.cast(forward(images), "float32")

    def add(index, total):
        top = _smaller(index // columns * stride[0], height - window[0])
        left = _smaller(index % columns * stride[1], width - window[1])
        part = keras.ops.slice(images, (0, top, left, 0), (batch, *window, channels))
        logits = keras.ops.cast(forward(part), "float32")
        return _add_at(total, logits, top, left)

    total = keras.ops.zeros((batch, height, width, num_classes), "float32")
    total = _loop(rows * columns, add, total)
    down = _coverage(height, window[0], stride[0], rows)
    across = _coverage(width, window[1], stride[1], columns)
    return total / (down[:, None, None] * across[:, None])


def _smaller(one: _Side, other: _Side) -> _Side:
    if isinstance(one, int) and isinstance(other, int):
        return min(one, other)
    return keras.ops.minimum(one, other)


def _count(side: _Side, window: _Side, stride: int) -> _Side:
    """Returns how many windows cover a side that is not below the window's."""
    return (side - window + stride - 1) // stride + 1


def _coverage(side: _Side, window: _Side, stride: int, count: _Side) -> Tensor:
    """Returns the number of windows over each pixel of a side: float32 (side,)."""
    starts = keras.ops.minimum(keras.ops.arange(count) * stride, side - window)
    distance = keras.ops.arange(side)[:, None] - starts
    inside = keras.ops.logical_and(distance >= 0, distance < window)
    return keras.ops.sum(keras.ops.cast(inside, "float32"), axis=1)


def _loop(count: _Side, add: Callable, total: Tensor) -> Tensor:
    """Calls `total = add(index, total)` for each index below `count`."""
    if keras.backend.backend() != "tensorflow":
        return keras.ops.fori_loop(0, count, add, total)
    import tensorflow as tf

    _, total = tf.while_loop(
        lambda index, total: index < count,
        lambda index, total: (index + 1, add(index, total)),
        (0, total),
        parallel_iterations=1,  # by default ten windows' features are in memory
    )
    return total


def _add_at(total: Tensor, logits: Tensor, top: _Side, left: _Side) -> Tensor:
    """Adds a window's logits to the total, in place where the backend can."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _add_at_on_tensorflow(total, logits, top, left)
    if backend == "torch":
        height, width = logits.shape[1:3]
        total[:, top : top + height, left : left + width] += logits
        return total
    start = (0, top, left, 0)
    added = keras.ops.slice(total, start, logits.shape) + logits
    return keras.ops.slice_update(total, start, added)


def _add_at_on_tensorflow(total, logits, top, left):
    """As `_add_at`: keras.ops.slice_update would copy the total for each window.

    TensorFlow's assignment to a part takes half as long for a matrix as for four
    axes: the classes, and a batch of one, are folded into the others.
    """
    import tensorflow as tf

    batch, height, width, classes = keras.ops.shape(logits)
    start, end = [top, left * classes], [top + height, (left + width) * classes]
    folded, part = [-1, keras.ops.shape(total)[2] * classes], [-1, width * classes]
    if total.shape[0] != 1:
        start, end = [0, *start], [batch, *end]
        folded, part = [batch, *folded], [batch, *part]
    matrix, logits = tf.reshape(total, folded), tf.reshape(logits, part)
    size = tf.shape(logits)
    matrix = tf.raw_ops.TensorStridedSliceUpdate(
        input=matrix,
        begin=start,
        end=end,
        strides=[1] * len(start),
        value=logits + tf.slice(matrix, start, size),
    )
    return tf.ensure_shape(tf.reshape(matrix, tf.shape(total)), total.shape)
