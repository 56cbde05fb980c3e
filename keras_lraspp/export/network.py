"""LRASPP for converters: the same function of pixels, in fewer operations.

What is folded, all of it exact but for the rounding of float32:

- batch norm into convolutions, and of the rescaling the factor into the first one;
- the gates' slope, 0.2 x + 0.5 cut to 0..1, into the convolutions before and after:
  what is left is a cut to 0..6, which every runtime does inside a convolution;
- 1x1 convolutions that follow each other without an activation into one. The head
  concatenates a resized map with a skip connection and convolves both. A 1x1
  convolution and a bilinear resize commute, so the map is convolved before the resize,
  where it has a quarter of the pixels, and the two parts are added.
"""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_lraspp.export.folding import Convolution, folded_convolutions

_MIDDLE = 127.5  # of the pixels' range; zero after rescaling


class Style(NamedTuple):
    """How a converter wants operations to be written.

    Attributes:
        constant_shape: Shape of a number. tf2onnx stumbles over scalars; the LiteRT
            converter finds a hard-swish only with them.
        dilated_operator: Whether a dilated depthwise convolution is one operation.
            TensorFlow itself cannot run that on a CPU.
        padding_in_numbers: Whether to say how many pixels also where "SAME" would do.
            ONNX Runtime has no dilation with the latter.
    """

    constant_shape: tuple[int, ...]
    dilated_operator: bool
    padding_in_numbers: bool


STYLES = {
    "tensorflow": Style((), dilated_operator=False, padding_in_numbers=False),
    "litert": Style((), dilated_operator=True, padding_in_numbers=False),
    "onnx": Style((1, 1, 1, 1), dilated_operator=True, padding_in_numbers=True),
}


def is_lraspp(model: keras.Model) -> bool:
    """Says whether `small_logits` knows the layers of a model."""
    return hasattr(model, "backbone") and hasattr(model, "head_filters")


def small_logits(
    model: keras.Model, target: str, padded_classes: int = 0
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function of the network up to its last resize.

    Args:
        model: An `LRASPP`, with any weights; later changes to them have no effect.
        target: Key of `STYLES`.
        padded_classes: Number of logits; what goes beyond the model's classes is never
            the largest. At least the number of classes, or 0 for just these.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns float32 logits (B,
        ceil(H / 4), ceil(W / 4), classes).
    """
    convolutions = folded_convolutions(model)
    classes = convolutions["head_classes_conv"]
    convolutions["head_classes_conv"] = _padded(classes, padded_classes)
    write = Writer(STYLES[target])

    def call(image: tf.Tensor) -> tf.Tensor:
        taps = _backbone(write, model.backbone, convolutions, image)
        return _head(write, model, convolutions, taps)

    return call


class Writer(NamedTuple):
    """Writes TensorFlow operations in a converter's style."""

    style: Style

    def number(self, value: float) -> tf.Tensor:
        """Returns a constant."""
        return tf.constant(value, tf.float32, self.style.constant_shape)

    def conv(self, x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        """Convolves, padded by k // 2 on each side, and adds the bias if any."""
        kernel = tf.constant(conv.kernel, tf.float32)
        x = tf.nn.conv2d(x, kernel, conv.stride, self._padding(conv))
        return self._biased(x, conv)

    def depthwise(self, x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        """Convolves each channel on its own, padded symmetrically, with bias."""
        kernel, padding = tf.constant(conv.kernel, tf.float32), self._padding(conv)
        strides, rate = [1, conv.stride, conv.stride, 1], conv.dilation
        if self.style.dilated_operator:
            numbers = padding != "SAME"
            x = tf.raw_ops.DepthwiseConv2dNative(
                input=x,
                filter=kernel,
                strides=strides,
                padding="EXPLICIT" if numbers else "SAME",
                explicit_paddings=sum(padding, []) if numbers else [],
                dilations=[1, rate, rate, 1],
            )
        else:
            if padding != "SAME":
                # In numbers, it makes TensorFlow 2.21's optimizer abort the process.
                x, padding = tf.pad(x, padding), "VALID"
            x = tf.nn.depthwise_conv2d(x, kernel, strides, padding, None, (rate, rate))
        return self._biased(x, conv)

    def hard_swish(self, x: tf.Tensor) -> tf.Tensor:
        """Returns x * relu6(x + 3) / 6."""
        return x * tf.nn.relu6(x + self.number(3)) * self.number(1 / 6)

    def resize(self, x: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
        """Resizes bilinearly to the height and width of another tensor."""
        known = None not in like.shape[1:3]
        size = like.shape[1:3] if known else tf.shape(like)[1:3]
        return tf.image.resize(x, size, method="bilinear")

    def _padding(self, conv: Convolution):
        side = conv.kernel.shape[0] // 2 * conv.dilation
        # TensorFlow's "SAME" is symmetric at stride 1 only.
        if side == 0 or (conv.stride == 1 and not self.style.padding_in_numbers):
            return "SAME"
        return [[0, 0], [side, side], [side, side], [0, 0]]

    @staticmethod
    def _biased(x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        if not conv.bias.any():
            return x
        return tf.nn.bias_add(x, tf.constant(conv.bias, tf.float32))


def _backbone(write: Writer, backbone: keras.Model, convs, image) -> list[tf.Tensor]:
    # (x / 127.5 - 1) is zero where the padding is, so it is not folded as a whole.
    x = tf.cast(image, tf.float32) - write.number(_MIDDLE)
    x = write.hard_swish(write.conv(x, convs["stem_conv"].taking(_MIDDLE)))
    names = {layer.name for layer in backbone.layers}
    made = {}
    for index in range(len(names)):
        block = f"block_{index}"
        if f"{block}_expand_conv" not in names:
            break
        x = _block(write, backbone, convs, block, x)
        last = f"{block}_add" if f"{block}_add" in names else f"{block}_project_bn"
        made[id(backbone.get_layer(last).output)] = x
    return [made[id(output)] for output in backbone.outputs]


def _block(write: Writer, backbone: keras.Model, convs, name: str, x) -> tf.Tensor:
    relu = isinstance(
        backbone.get_layer(f"{name}_expand_activation"), keras.layers.ReLU
    )
    activate = tf.nn.relu if relu else write.hard_swish
    shortcut = x
    x = activate(write.conv(x, convs[f"{name}_expand_conv"]))
    x = activate(write.depthwise(x, convs[f"{name}_depthwise_conv"]))
    project = convs[f"{name}_project_conv"]
    if f"{name}_se_squeeze" in convs:
        gate = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        gate = tf.nn.relu(write.conv(gate, convs[f"{name}_se_squeeze"]))
        # clip(0.2 x + 0.5, 0, 1) is relu6(1.2 x + 3) / 6.
        x *= tf.nn.relu6(write.conv(gate, convs[f"{name}_se_expand"].scaled(1.2, 3)))
        project = project.taking(6)
    x = write.conv(x, project)
    residual = any(layer.name == f"{name}_add" for layer in backbone.layers)
    return shortcut + x if residual else x


def _head(write: Writer, model: keras.Model, convs, taps) -> tf.Tensor:
    finest, middle, _, deepest = taps
    x = tf.nn.relu(write.conv(deepest, convs["head_value_conv"]))
    pool = model.get_layer("head_pool")
    if isinstance(pool, keras.layers.GlobalAveragePooling2D):
        pooled = tf.reduce_mean(deepest, axis=(1, 2), keepdims=True)
    else:
        pooled = tf.nn.avg_pool2d(deepest, pool.pool_size, pool.strides, "VALID")
    gate = tf.sigmoid(write.conv(pooled, convs["head_gate_conv"]))
    if not isinstance(pool, keras.layers.GlobalAveragePooling2D):
        gate = write.resize(gate, x)
    x *= gate
    before = convs["head_mix_conv"]
    strides = model.backbone.tap_strides
    for skip, stride, now in ((middle, 8, strides[-1]), (finest, 4, 8)):
        upper, lower = convs[f"head_fuse_{stride}_conv"].split(before.kernel.shape[3])
        x = write.conv(x, upper.after(before))
        if now != stride:
            x = write.resize(x, skip)
        skip = write.conv(skip, lower.after(convs[f"head_skip_{stride}_conv"]))
        x = tf.nn.relu(x + skip)
        before = _identity(model.head_filters)
    return write.conv(x, convs["head_classes_conv"])


def _identity(channels: int) -> Convolution:
    return Convolution(np.eye(channels)[None, None], np.zeros(channels))


def _padded(conv: Convolution, channels: int) -> Convolution:
    more = max(0, channels - len(conv.bias))
    return conv._replace(
        kernel=np.pad(conv.kernel, [(0, 0)] * 3 + [(0, more)]),
        bias=np.pad(conv.bias, (0, more), constant_values=-1e30),
    )
