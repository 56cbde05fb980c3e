"""Keras's depthwise convolution and its padding, faster in training on a CPU."""

import keras

from keras_lraspp.arguments import register_class
from keras_lraspp.layers.depthwise_tensorflow import find_convolution, remember_padding


@register_class
class ZeroPadding2D(keras.layers.ZeroPadding2D):
    """Keras's zero padding, which a `DepthwiseConv2D` behind it can do without."""

    def call(self, inputs):
        """Returns a tensor (B, top + H + bottom, left + W + right, C)."""
        outputs = super().call(inputs)
        remember_padding(outputs, inputs, self.padding)
        return outputs


@register_class
class DepthwiseConv2D(keras.layers.DepthwiseConv2D):
    """Depthwise convolution that is faster on TensorFlow's and JAX's CPU.

    Arguments, weights, numbers and saved files are those of
    `keras.layers.DepthwiseConv2D`, which does the work everywhere else. On JAX's CPU
    the convolution is a sum of shifted slices, see `depthwise_jax`: a training step of
    this network takes 0.4 of the time. In training on TensorFlow's, gradients take
    other ways, see `depthwise_tensorflow`.
    """

    def call(self, inputs, training=None):
        """Convolves each channel of (B, H, W, C) by itself."""
        convolve = find_convolution(self, inputs) if training else None
        if convolve is not None:
            return self._finish(convolve(self.kernel))
        if not self._by_slices(inputs):
            return super().call(inputs)
        from keras_lraspp.layers.depthwise_jax import depthwise_conv, place_kernel

        placement = place_kernel(
            inputs.shape[1:3],
            self.kernel_size,
            self.strides,
            self.dilation_rate,
            self.padding,
        )
        kernel = keras.ops.convert_to_tensor(self.kernel)
        return self._finish(depthwise_conv(inputs, kernel[..., 0], placement))

    def _finish(self, outputs):
        if self.use_bias:
            outputs = outputs + keras.ops.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def _by_slices(self, inputs) -> bool:
        if keras.backend.backend() != "jax":
            return False
        if self.data_format != "channels_last" or self.depth_multiplier != 1:
            return False
        import jax

        known = all(isinstance(side, int) for side in inputs.shape[1:])
        return known and jax.default_backend() == "cpu"
