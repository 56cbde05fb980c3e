"""1x1 convolution as a matrix product, in training on TensorFlow's CPU.

It mixes channels, a bilinear resize mixes pixels, and a concatenation only puts
channels side by side. So what was enlarged is convolved before, on fewer pixels, and
what was concatenated is convolved apart and added up. Nothing then needs the enlarged
or the concatenated tensor, and TensorFlow does not compute it.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from keras_lraspp.layers.cpu_fusion import can_fuse

_ENLARGED = "_keras_lraspp_enlarged"
_PARTS = "_keras_lraspp_parts"


def remember_enlarging(outputs, inputs, resize: Callable[[Any], Any]) -> None:
    """Attaches to a TensorFlow tensor what it was, and how it was resized.

    Not where it has become smaller, and less is to do behind it.
    """
    if outputs.shape.num_elements() >= inputs.shape.num_elements():
        setattr(outputs, _ENLARGED, (inputs, resize))


def remember_parts(outputs, parts) -> None:
    """Attaches to a TensorFlow tensor what was concatenated along its channels."""
    if can_fuse(*parts):
        setattr(outputs, _PARTS, parts)


def find_product(layer: keras.layers.Conv2D, inputs) -> Callable[[Any], Any] | None:
    """Returns a function of the kernel that convolves `inputs`, or `None`."""
    if not can_fuse(inputs) or inputs.dtype != "float32":
        return None
    one_cell = layer.kernel_size == layer.strides == (1, 1)
    usual = layer.groups == 1 and layer.data_format == "channels_last"
    return partial(_mix, inputs) if one_cell and usual else None


def _mix(inputs, kernel):
    """Returns (B, H, W, C) times a kernel (1, 1, C, filters)."""
    import tensorflow as tf

    return _product(inputs, tf.convert_to_tensor(kernel)[0, 0])


def _product(inputs, matrix):
    import tensorflow as tf

    if parts := getattr(inputs, _PARTS, None):
        matrices = tf.split(matrix, [part.shape[-1] for part in parts])
        return tf.add_n([*map(_product, parts, matrices)])
    channels, filters = matrix.shape
    if filters <= channels and (enlarged := getattr(inputs, _ENLARGED, None)):
        before, resize = enlarged
        return resize(_product(before, matrix))
    flat = tf.reshape(inputs, (-1, channels))
    return tf.reshape(flat @ matrix, (*inputs.shape[:-1], filters))
