"""Multiply-adds, against a count by hand."""

import keras
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.models.summary import multiply_adds


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


# By hand from table 1 of the paper, for 512x1024: cells of the input and of the output,
# channels in, expanded and out, kernel, and channels inside the gate. As in PaddleSeg,
# the first block expands, too, and a gate has a quarter of the channels.
OS32_BLOCKS = (
    (256 * 512, 256 * 512, 16, 16, 16, 3, 0),
    (256 * 512, 128 * 256, 16, 64, 24, 3, 0),
    (128 * 256, 128 * 256, 24, 72, 24, 3, 0),
    (128 * 256, 64 * 128, 24, 72, 40, 5, 18),
    (64 * 128, 64 * 128, 40, 120, 40, 5, 30),
    (64 * 128, 64 * 128, 40, 120, 40, 5, 30),
    (64 * 128, 32 * 64, 40, 240, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 200, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 184, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 184, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 480, 112, 3, 120),
    (32 * 64, 32 * 64, 112, 672, 112, 3, 168),
    (32 * 64, 16 * 32, 112, 672, 160, 5, 168),
    (16 * 32, 16 * 32, 160, 960, 160, 5, 240),
    (16 * 32, 16 * 32, 160, 960, 160, 5, 240),
)


def test_os32_global_counted_by_hand():
    stem = 256 * 512 * 3 * 3 * 3 * 16
    blocks = sum(
        before * given * expanded
        + after * expanded * kernel**2
        + 2 * expanded * inside
        + after * expanded * out
        for before, after, given, expanded, out, kernel, inside in OS32_BLOCKS
    )
    deep = 16 * 32 * (160 * 128 + 128 * 128) + 160 * 128  # value, mix; one gate
    middle = 64 * 128 * (40 * 64 + (128 + 64) * 128)
    fine = 128 * 256 * (24 * 32 + (128 + 32) * 128 + 128 * 19)
    total = stem + blocks + deep + middle + fine
    assert total == 3_194_734_688
    model = LRASPP(output_stride=32, input_shape=(512, 1024, 3))
    assert multiply_adds(model) == total


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
