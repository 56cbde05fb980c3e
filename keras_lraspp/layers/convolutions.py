"""Keras's convolutions and what is around them, faster in training on a CPU."""

import keras

from keras_lraspp.arguments import register_class
from keras_lraspp.layers.depthwise_tensorflow import find_convolution, remember_padding
from keras_lraspp.layers.pointwise_tensorflow import find_product, remember_parts


@register_class
class ZeroPadding2D(keras.layers.ZeroPadding2D):
    """Keras's zero padding, which a `DepthwiseConv2D` behind it can do without."""

    def call(self, inputs):
        """Returns a tensor (B, top + H + bottom, left + W + right, C)."""
        outputs = super().call(inputs)
        remember_padding(outputs, inputs, self.padding)
        return outputs


@register_class
class Concatenate(keras.layers.Concatenate):
    """Keras's concatenation, which a 1x1 `Conv2D` behind it can do without."""

    def call(self, inputs):
        """Returns one tensor."""
        outputs = super().call(inputs)
        if self.axis in (-1, len(outputs.shape) - 1):
            remember_parts(outputs, inputs)
        return outputs


@register_class
class Conv2D(keras.layers.Conv2D):
    """Convolution that is faster on PyTorch's CPU, and in training on TensorFlow's.

    Arguments, weights, numbers and saved files are those of `keras.layers.Conv2D`,
    which does the work everywhere else. A kernel of one cell is a matrix product, on
    TensorFlow in training only, see `pointwise_tensorflow`. On PyTorch's CPU the
    other kernels see Keras's arrays as channels last, without a copy.
    """

    def call(self, inputs, training=None):
        """Convolves (B, H, W, C)."""
        multiply = find_product(self, inputs) if training else None
        if multiply is not None:
            return _finish(self, multiply(self.kernel))
        padding = torch_padding(self, inputs)
        if padding is None:
            return super().call(inputs)
        kernel = keras.ops.convert_to_tensor(self.kernel)
        if self.kernel_size == self.strides == (1, 1) and self.groups == 1:
            # A view both ways: the gradient of `kernel[0, 0]` is a kernel of zeros.
            return _finish(self, inputs @ kernel.flatten(0, 2))
        outputs = _torch_conv(self, inputs, kernel.permute(3, 2, 0, 1), padding)
        return _finish(self, outputs)


@register_class
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Depthwise convolution that is faster on the CPU of each backend.

    Arguments, weights, numbers and saved files are those of
    `keras.layers.DepthwiseConv2D`, which does the work everywhere else. On JAX's CPU
    the convolution is a sum of shifted slices, see `depthwise_jax`: a training step of
    this network takes 0.4 of the time. In training on TensorFlow's, gradients take
    other ways, see `depthwise_tensorflow`. PyTorch sees the arrays as channels last,
    without a copy.
    """

    def call(self, inputs, training=None):
        """Convolves each channel of (B, H, W, C) by itself."""
        convolve = find_convolution(self, inputs) if training else None
        if convolve is not None:
            return _finish(self, convolve(self.kernel))
        padding = torch_padding(self, inputs)
        if padding is not None and self.depth_multiplier == 1:
            kernel = keras.ops.convert_to_tensor(self.kernel).permute(2, 3, 0, 1)
            return _finish(self, _torch_conv(self, inputs, kernel, padding))
        if not self._by_slices(inputs):
            return super().call(inputs)
        from keras_lraspp.layers.depthwise_jax import Placement, depthwise_conv

        placement = Placement(
            tuple(self.strides), tuple(self.dilation_rate), _padding(self, inputs)
        )
        kernel = keras.ops.convert_to_tensor(self.kernel)
        return _finish(self, depthwise_conv(inputs, kernel[..., 0], placement))

    def _by_slices(self, inputs) -> bool:
        if keras.backend.backend() != "jax":
            return False
        if self.data_format != "channels_last" or self.depth_multiplier != 1:
            return False
        import jax

        known = all(isinstance(side, int) for side in inputs.shape[1:])
        return known and jax.default_backend() == "cpu"


def _finish(layer, outputs):
    if layer.use_bias:
        outputs = outputs + keras.ops.convert_to_tensor(layer.bias)
    return outputs if layer.activation is None else layer.activation(outputs)


def _padding(layer, inputs) -> tuple[tuple[int, int], ...]:
    """Rows and columns, before and after, of Keras's "same" or "valid" padding."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    pads = []
    for side, size, stride, rate in zip(
        inputs.shape[1:3],
        layer.kernel_size,
        layer.strides,
        layer.dilation_rate,
        strict=True,
    ):
        total = max((-(-side // stride) - 1) * stride + (size - 1) * rate + 1 - side, 0)
        pads.append((total // 2, total - total // 2))
    return tuple(pads)


def torch_padding(layer, inputs) -> tuple[int, ...] | None:
    """Rows and columns on each side; `None` where PyTorch's CPU cannot do it so."""
    if keras.backend.backend() != "torch" or layer.data_format != "channels_last":
        return None
    if inputs.device.type != "cpu" or layer.padding not in ("same", "valid"):
        return None
    pads = _padding(layer, inputs)
    if any(before != after for before, after in pads):
        return None
    return tuple(before for before, _ in pads)


def _torch_conv(layer, inputs, kernel, padding):
    """Convolves (B, H, W, C) with a kernel of PyTorch's axes, by views of both."""
    from torch.nn import functional

    x = inputs.permute(0, 3, 1, 2)
    groups = x.shape[1] // kernel.shape[1]
    outputs = functional.conv2d(
        x, kernel, None, layer.strides, padding, layer.dilation_rate, groups
    )
    return outputs.permute(0, 2, 3, 1)
