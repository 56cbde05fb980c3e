"""Hard-swish, hard gate and channel scaling, fused in training on a CPU."""

import functools

import keras
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.layers.cpu_fusion import (
    can_fuse,
    get_remat,
    remat_or_keep,
    set_remat,
    xla_fused,
)


@register_class
class HardSwish(keras.layers.Activation):
    """Hard-swish, x * relu6(x + 3) / 6.

    Keras computes it from four elementary operations and its gradient from five
    more, each a pass over memory. In training on TensorFlow's CPU this layer makes one
    loop of each, 1.7 to 3 times faster, and behind a `BatchNorm` it keeps nothing for
    the backward pass but what that keeps anyway. Everywhere else it is
    `keras.layers.Activation("hard_swish")`, so that no exported graph has XLA in it.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Float tensor of any shape.
        training: Whether a gradient may be taken.
    """

    def __init__(self, **kwargs):
        kwargs.pop("activation", None)  # in the configuration of the base class
        super().__init__("hard_swish", **kwargs)

    def call(self, inputs, training=None):
        """Returns a tensor of `inputs`' shape and dtype."""
        if not (training and can_fuse(inputs)):
            return super().call(inputs)
        outputs = _fused_hard_swish(inputs)
        remat = get_remat(inputs)
        if remat:
            set_remat(outputs, _hard_swish_of(remat.function), *remat.tensors)
        return outputs


def _fused_hard_swish(x):
    import tensorflow as tf

    function, tensors = remat_or_keep(x)

    @tf.custom_gradient
    def of(x):
        return _forward(x), lambda upstream: _hard_swish_gradient(function)(
            upstream, *tensors
        )

    return of(x)


def _hard_swish(x):
    return x * ops.relu6(x + 3.0) * (1.0 / 6.0)


_forward = xla_fused(_hard_swish)


@functools.cache
def _hard_swish_of(function):
    """Composes hard-swish with what its input is computed by."""
    return lambda *tensors: _hard_swish(function(*tensors))


@functools.cache
def _hard_swish_gradient(function):
    """Returns the gradient, a function of the upstream gradient and x's tensors."""

    def gradient(upstream, *tensors):
        x = function(*tensors)
        inner = ops.where(x < 3.0, x * (1.0 / 3.0) + 0.5, ops.ones_like(x))
        return upstream * ops.where(x > -3.0, inner, ops.zeros_like(x))

    return xla_fused(gradient)


@register_class
class HardGate(keras.layers.Layer):
    """Piecewise linear sigmoid: clip(slope x + 0.5, 0, 1).

    Args:
        slope: 0.2 in PaddleSeg's MobileNetV3, 1/6 in others', as in
            `keras.activations.hard_sigmoid`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, slope=0.2, **kwargs):
        super().__init__(**kwargs)
        self.slope = slope

    def call(self, inputs):
        """Returns the gate, in [0, 1], of `inputs`' shape and dtype."""
        return keras.ops.clip(inputs * self.slope + 0.5, 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "slope": self.slope}


@register_class
class ScaleChannels(keras.layers.Multiply):
    """Multiplies a tensor by a factor for each channel, as squeeze-and-excite does.

    It is `keras.layers.Multiply`. But in training on TensorFlow's CPU, behind
    `BatchNorm` and `HardSwish`, the backward pass computes their output again from what
    is kept anyway, and is one pass over memory.

    Args:
        **kwargs: Arguments of `keras.layers.Layer`.

    Call arguments:
        inputs: Pair of float tensors (B, H, W, C) and (B, 1, 1, C).
        training: Whether a gradient may be taken.
    """

    def call(self, inputs, training=None):
        """Returns a tensor (B, H, W, C)."""
        x, gate = inputs
        if training and get_remat(x) and can_fuse(x, gate):
            return _fused_scale(x, gate)
        return super().call(inputs)


def _fused_scale(x, gate):
    import tensorflow as tf

    function, tensors = get_remat(x)

    @tf.custom_gradient
    def of(x, gate):
        return x * gate, lambda upstream: _scale_gradients(function)(
            upstream, gate, *tensors
        )

    return of(x, gate)


@functools.cache
def _scale_gradients(function):
    """Returns both gradients, a function of the upstream one, the gate and x's."""

    def gradients(upstream, gate, *tensors):
        product = ops.cast(upstream * function(*tensors), "float32")
        to_gate = ops.sum(product, axis=(1, 2), keepdims=True)
        return upstream * gate, ops.cast(to_gate, gate.dtype)

    return xla_fused(gradients)
