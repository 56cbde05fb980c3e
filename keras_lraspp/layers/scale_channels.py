"""Multiplication of channels by a gate, with less memory in training on TensorFlow."""

import functools

import keras
from keras import ops

from keras_lraspp.layers.one_loop import makes_one_loop, one_loop
from keras_lraspp.layers.recomputing import recipe_of


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
        return x * gate, lambda upstream: _backward(function)(upstream, gate, *tensors)

    return of(x, gate)


@functools.cache
def _backward(function):
    """Both gradients, given the upstream gradient and what x is computed from."""

    def gradients(upstream, gate, *tensors):
        product = ops.cast(upstream * function(*tensors), "float32")
        to_gate = ops.sum(product, axis=(1, 2), keepdims=True)
        return upstream * gate, ops.cast(to_gate, gate.dtype)

    return one_loop(gradients)
