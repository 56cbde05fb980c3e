"""Logits of a large image from windows that slide over it."""

from collections.abc import Callable
from typing import Any

import keras

Tensor = Any  # of the backend
Side = int | Tensor


def slide(
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

    Args:
        forward: The network: pixels (B, h, w, 3) to logits (B, h, w, num_classes).
        num_classes: Number of classes.
        images: RGB pixels (B, H, W, 3), uint8 or float32.
        window: (height, width) in pixels.
        stride: (down, across) in pixels.

    Returns:
        float32 logits (B, H, W, num_classes).
    """
    batch, height, width, _ = keras.ops.shape(images)
    window = _smaller(window[0], height), _smaller(window[1], width)
    rows = _count(height, window[0], stride[0])
    columns = _count(width, window[1], stride[1])
    if isinstance(rows * columns, int) and rows * columns == 1:
        return keras.ops.cast(forward(images), "float32")

    def add(index, total):
        top = _smaller(index // columns * stride[0], height - window[0])
        left = _smaller(index % columns * stride[1], width - window[1])
        part = keras.ops.slice(images, (0, top, left, 0), (batch, *window, 3))
        logits = keras.ops.cast(forward(part), "float32")
        return _add_at(total, logits, top, left)

    total = keras.ops.zeros((batch, height, width, num_classes), "float32")
    total = _loop(rows * columns, add, total)
    down = _coverage(height, window[0], stride[0], rows)
    across = _coverage(width, window[1], stride[1], columns)
    return total / (down[:, None, None] * across[:, None])


def _smaller(one: Side, other: Side) -> Side:
    if isinstance(one, int) and isinstance(other, int):
        return min(one, other)
    return keras.ops.minimum(one, other)


def _count(side: Side, window: Side, stride: int) -> Side:
    """Returns how many windows cover a side that is not below the window's."""
    return (side - window + stride - 1) // stride + 1


def _coverage(side: Side, window: Side, stride: int, count: Side) -> Tensor:
    """Returns the number of windows over each pixel of a side: float32 (side,)."""
    starts = keras.ops.minimum(keras.ops.arange(count) * stride, side - window)
    distance = keras.ops.arange(side)[:, None] - starts
    inside = keras.ops.logical_and(distance >= 0, distance < window)
    return keras.ops.sum(keras.ops.cast(inside, "float32"), axis=1)


def _loop(count: Side, add: Callable, total: Tensor) -> Tensor:
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


def _add_at(total: Tensor, logits: Tensor, top: Side, left: Side) -> Tensor:
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
