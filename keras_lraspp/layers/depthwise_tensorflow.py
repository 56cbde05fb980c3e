"""Depthwise convolution with faster gradients, in training on TensorFlow's CPU.

TensorFlow hands depthwise convolutions to oneDNN. That has no good kernel for the
gradient of 5x5 filters; TensorFlow's own needs 0.3 to 0.5 times as long. Behind a
padding, with stride 2, neither the padded tensor nor its gradient need to be computed.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from keras_lraspp.layers.cpu_fusion import can_fuse

_ATTRIBUTE = "_keras_lraspp_padded"


def remember_padding(outputs, inputs, padding) -> None:
    """Attaches to a padded TensorFlow tensor what it was and what was added."""
    if can_fuse(inputs):
        setattr(outputs, _ATTRIBUTE, (inputs, padding))


def find_convolution(
    layer: keras.layers.DepthwiseConv2D, inputs
) -> Callable[[Any], Any] | None:
    """Returns a function of the kernel that convolves `inputs`, or `None`."""
    if not can_fuse(inputs) or inputs.dtype != "float32":
        return None
    (side, width), rate = layer.kernel_size, layer.dilation_rate[0]
    plain = layer.depth_multiplier == 1 and layer.data_format == "channels_last"
    square = side == width and layer.dilation_rate == (rate, rate)
    if not (plain and square and side % 2):
        return None
    if layer.padding == "same" and layer.strides == (1, 1) and side > 3:
        if rate == 1:
            return partial(_same, inputs)
        whole = all(length % rate == 0 for length in inputs.shape[1:3])
        return partial(_dilated, inputs, rate=rate) if whole else None
    unpadded, padding = getattr(inputs, _ATTRIBUTE, (None, None))
    wanted = "valid", (2, 2), 1, ((side // 2,) * 2,) * 2
    if (layer.padding, layer.strides, rate, padding) != wanted:
        return None
    even = all(length % 2 == 0 for length in unpadded.shape[1:3])
    return partial(_strided, unpadded) if even else None


def _same(inputs, kernel):
    """Convolves with stride 1 and "same" padding; for windows wider than 3."""
    import tensorflow as tf

    @tf.custom_gradient
    def of(x, kernel):
        def gradients(upstream):
            to_inputs = _input_gradient(x, kernel, upstream, 1)
            return to_inputs, _filter_gradient(x, kernel, upstream, 1)

        return tf.nn.depthwise_conv2d(x, kernel, [1, 1, 1, 1], "SAME"), gradients

    return of(inputs, tf.convert_to_tensor(kernel))


def _strided(inputs, kernel):
    """Convolves even sides with stride 2 and k // 2 zeros on each of them.

    A row and a column of zeros behind the filter make "same" of this padding.
    """
    import tensorflow as tf

    @tf.custom_gradient
    def of(x, kernel):
        wider = tf.pad(kernel, [[0, 1], [0, 1], [0, 0], [0, 0]])

        def gradients(upstream):
            to_inputs = _input_gradient(x, wider, upstream, 2)
            return to_inputs, _filter_gradient(x, kernel, upstream, 2)

        return tf.nn.depthwise_conv2d(x, wider, [1, 2, 2, 1], "SAME"), gradients

    return of(inputs, tf.convert_to_tensor(kernel))


def _input_gradient(x, kernel, upstream, stride):
    import tensorflow as tf

    return tf.raw_ops.DepthwiseConv2dNativeBackpropInput(
        input_sizes=x.shape,
        filter=kernel,
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="SAME",
    )


def _filter_gradient(x, kernel, upstream, stride):
    """TensorFlow's own kernel: oneDNN takes no explicit padding."""
    import tensorflow as tf

    side = kernel.shape[0] // 2
    return tf.raw_ops.DepthwiseConv2dNativeBackpropFilter(
        input=x,
        filter_sizes=kernel.shape,
        out_backprop=upstream,
        strides=[1, stride, stride, 1],
        padding="EXPLICIT",
        explicit_paddings=[0, 0, side, side, side, side, 0, 0],
    )


def _dilated(inputs, kernel, rate):
    """Convolves with dilation, stride 1 and "same" padding; `rate` divides the sides.

    Every `rate`-th pixel, as a picture of its own, is convolved without dilation: that
    is TensorFlow's way, too. Its kernels would take a dilation, but their gradients
    ignore it silently.
    """
    import tensorflow as tf

    outputs = _same(tf.space_to_batch(inputs, [rate, rate], [[0, 0], [0, 0]]), kernel)
    return tf.batch_to_space(outputs, [rate, rate], [[0, 0], [0, 0]])
