"""Logits of an image, summed over scales and mirror images.

PaddleSeg's `aug_inference`: per scale the pixels are resized, scored as they are and
mirrored, and the logits are resized to the image. Averaging before the resize, as
here, gives the same numbers, for resizing is linear, with half the resizes.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.inference.windows import slide
from keras_lraspp.layers.resizing import resize_bilinear

Tensor = Any  # of the backend


class Network(NamedTuple):
    """What scoring needs to know of a network.

    Attributes:
        forward: Takes pixels (B, h, w, 3), uint8 or float32 0..255, and returns
            logits (B, h, w, num_classes).
        num_classes: Number of classes.
    """

    forward: Callable[[Tensor], Tensor]
    num_classes: int


def summed_logits(network: Network, images: Tensor, options: InferenceOptions):
    """Scores images as the options say; backend operations only, for a compiled graph.

    Args:
        network: Scores one pass, or one window after the other.
        images: uint8 RGB (B, H, W, 3); on TensorFlow sides may be known only at run
            time.
        options: What to do.

    Returns:
        Logits (B, H, W, num_classes), the sum over `options.passes` passes: float32,
        or of the network's type where the options are the default.
    """
    if options == DEFAULT:
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
    logits = _whole(network, images, options)
    if not options.flip:
        return logits
    mirrored = keras.ops.flip(after(images, logits), axis=2)
    return logits + keras.ops.flip(_whole(network, mirrored, options), axis=2)


def _whole(network: Network, images: Tensor, options: InferenceOptions):
    if options.sliding_window is None:
        return keras.ops.cast(network.forward(images), "float32")
    return slide(*network, images, options.sliding_window, options.stride)


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
