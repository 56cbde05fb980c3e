"""Hard-swish that trains in one pass over memory each way on TensorFlow."""

import functools

import keras
from keras import ops

from keras_lraspp.layers.cpu_fusion import (
    kept,
    makes_one_loop,
    one_loop,
    recipe_of,
    remember,
)


@keras.saving.register_keras_serializable("keras_lraspp")
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
        if not (training and makes_one_loop(inputs)):
            return super().call(inputs)
        outputs = _hard_swish(inputs)
        recipe = recipe_of(inputs)
        if recipe:
            remember(outputs, _after(recipe.function), *recipe.tensors)
        return outputs


def _hard_swish(x):
    import tensorflow as tf

    function, tensors = kept(x)

    @tf.custom_gradient
    def of(x):
        return _forward(x), lambda upstream: _backward(function)(upstream, *tensors)

    return of(x)


def _values(x):
    return x * ops.relu6(x + 3.0) * (1.0 / 6.0)


_forward = one_loop(_values)


@functools.cache
def _after(function):
    """The computation of an output from what its input is computed from."""
    return lambda *tensors: _values(function(*tensors))


@functools.cache
def _backward(function):
    """The gradient, given the upstream gradient and what x is computed from."""

    def gradient(upstream, *tensors):
        x = function(*tensors)
        inner = ops.where(x < 3.0, x * (1.0 / 3.0) + 0.5, ops.ones_like(x))
        return upstream * ops.where(x > -3.0, inner, ops.zeros_like(x))

    return one_loop(gradient)


@keras.saving.register_keras_serializable("keras_lraspp")
class HardGate(keras.layers.Layer):
    """Piecewise linear sigmoid: clip(0.2 x + 0.5, 0, 1).

    PaddleSeg's MobileNetV3 uses the slope 0.2 here, not the 1/6 of
    `keras.activations.hard_sigmoid`.
    """

    def call(self, inputs):
        """Returns the gate, in [0, 1], of `inputs`' shape and dtype."""
        return keras.ops.clip(inputs * 0.2 + 0.5, 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape


@keras.saving.register_keras_serializable("keras_lraspp")
class ScaleChannels(keras.layers.Multiply):
    """A tensor times a factor for each of its channels.

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
        if training and recipe_of(x) and makes_one_loop(x, gate):
            return _scaled(x, gate)
        return super().call(inputs)


def _scaled(x, gate):
    import tensorflow as tf

    function, tensors = recipe_of(x)

    @tf.custom_gradient
    def of(x, gate):
        return x * gate, lambda upstream: _scale_backward(function)(
            upstream, gate, *tensors
        )

    return of(x, gate)


@functools.cache
def _scale_backward(function):
    """Both gradients, given the upstream gradient and what x is computed from."""

    def gradients(upstream, gate, *tensors):
        product = ops.cast(upstream * function(*tensors), "float32")
        to_gate = ops.sum(product, axis=(1, 2), keepdims=True)
        return upstream * gate, ops.cast(to_gate, gate.dtype)

    return one_loop(gradients)
