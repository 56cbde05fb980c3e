"""Depthwise convolutions in training against Keras's own, which take other ways."""

import keras
import numpy as np
import pytest

from harness.gradients import gradient_of
from keras_lraspp.layers import DepthwiseConv2D, ZeroPadding2D
from keras_lraspp.layers.depthwise_tensorflow import (
    _dilated,
    _same,
    _strided,
    find_convolution,
)

pytestmark = pytest.mark.backends
DRAW = np.random.default_rng(0)


def normal(*shape):
    return DRAW.normal(size=shape).astype("float32")


def results(chain, inputs, weights):
    """Outputs in training, and the gradients of inputs and of the last kernel."""
    kernel = chain[-1].kernel

    def run(x):
        for layer in chain[:-1]:
            x = layer(x)
        return chain[-1](x, training=True)

    def loss(x):
        return keras.ops.sum(keras.ops.multiply(run(x), weights))

    def loss_of_kernel(value):
        with keras.StatelessScope(state_mapping=[(kernel, value)]):
            return loss(inputs)

    start = keras.ops.convert_to_numpy(kernel)
    outputs = keras.ops.convert_to_numpy(run(inputs))
    return outputs, gradient_of(loss, inputs), gradient_of(loss_of_kernel, start)


def compare(ours, plain, inputs):
    """Compares chains of layers with the same weights, ours and Keras's."""
    for chain in (ours, plain):
        x = inputs
        for layer in chain:
            x = layer(x)
    plain[-1].set_weights(ours[-1].get_weights())
    weights = normal(*x.shape)
    pairs = (results(chain, inputs, weights) for chain in (ours, plain))
    for found, wanted in zip(*pairs, strict=True):
        assert np.abs(wanted).max() > 0.1
        np.testing.assert_allclose(found, wanted, atol=2e-5 * np.abs(wanted).max())


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize(
    ("rate", "size"), [(1, (6, 8)), (2, (8, 12)), (4, (8, 16)), (2, (7, 9))]
)
def test_a_depthwise_convolution_in_training(kernel_size, rate, size):
    options = {"padding": "same", "dilation_rate": rate, "activation": "tanh"}
    kinds = DepthwiseConv2D, keras.layers.DepthwiseConv2D
    layers = [[kind(kernel_size, **options)] for kind in kinds]
    compare(*layers, normal(2, *size, 3))


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("size", [(6, 8), (7, 8)])
def test_padding_and_stride_in_training(kernel_size, size):
    layers = [
        [pad(kernel_size // 2), conv(kernel_size, strides=2, use_bias=False)]
        for pad, conv in (
            (ZeroPadding2D, DepthwiseConv2D),
            (keras.layers.ZeroPadding2D, keras.layers.DepthwiseConv2D),
        )
    ]
    compare(*layers, normal(2, *size, 3))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's way")
def test_where_a_depthwise_convolution_takes_its_own_way():
    import tensorflow as tf

    x = tf.ones((1, 8, 8, 2))
    same = {"padding": "same", "use_bias": False}

    def way(layer, inputs=x):
        found = find_convolution(layer, inputs)
        return found and found.func

    def after(padding):
        return ZeroPadding2D(padding)(x)

    strided = DepthwiseConv2D(3, strides=2, use_bias=False)
    assert way(DepthwiseConv2D(5, **same)) is _same
    assert way(DepthwiseConv2D(5, dilation_rate=2, **same)) is _dilated
    assert way(strided, after(1)) is _strided
    assert way(strided, after(2)) is None
    assert way(strided) is None
    assert way(DepthwiseConv2D(3, **same)) is None
    assert way(DepthwiseConv2D((5, 3), **same)) is None
    assert way(DepthwiseConv2D(5, dilation_rate=3, **same)) is None  # not whole
