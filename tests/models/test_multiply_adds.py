"""Multiply-adds, against a count by hand."""

import keras
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.models.multiply_adds import multiply_adds


def small_network(height, width):
    """A strided, a dilated, a depthwise convolution, a nested model, a dense layer."""
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((5, 5, 6)), layers.Conv2D(2, 1, name="inner")], name="nested"
    )
    pixels = keras.Input((height, width, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="strided")(pixels)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(6, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.Activation("relu")(x)
    if height:
        x = layers.Flatten()(inner(x))
        x = layers.Dense(7)(x)
    return keras.Model(pixels, x)


def test_a_small_network_counted_by_hand():
    strided = 5 * 5 * 4 * 3 * 3 * 3
    depthwise = 5 * 5 * 4 * 3 * 3
    dilated = 5 * 5 * 6 * 4 * 3 * 3
    inner = 5 * 5 * 2 * 6
    dense = 5 * 5 * 2 * 7
    total = strided + depthwise + dilated + inner + dense
    assert total == 2700 + 900 + 5400 + 300 + 350
    assert multiply_adds(small_network(10, 10)) == total


def test_the_published_networks_are_of_the_measured_size():
    """12.3 and 3.2 G for an image of 512x1024, counted elsewhere."""
    counted = [
        multiply_adds(LRASPP(output_stride=stride, input_shape=(512, 1024, 3)))
        for stride in (8, 32)
    ]
    assert counted == pytest.approx([12.3e9, 3.2e9], rel=0.005)


def test_any_size_is_refused():
    with pytest.raises(ValueError, match="strided has no fixed size"):
        multiply_adds(small_network(None, None))
