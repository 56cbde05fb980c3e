"""Bilinear resize and the large-kernel pooling."""

import keras
import numpy as np
import pytest

from harness.gradients import gradient_of
from keras_lraspp.layers import LargeKernelPool, ResizeLike

pytestmark = pytest.mark.backends


def interpolate(values, size, axis, align_corners=False):
    """Linear interpolation along one axis, half-pixel centres, clamped edges."""
    length = values.shape[axis]
    place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
    if align_corners:
        place = np.linspace(0, length - 1, size)
    low = np.floor(place).astype(int)
    high = np.minimum(low + 1, length - 1)
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    share = (place - low).reshape(shape)
    return values.take(low, axis) * (1 - share) + values.take(high, axis) * share


@pytest.mark.parametrize("size", [(4, 6), (9, 13), (5, 3), (2, 6)])
def test_bilinear_with_half_pixel_centres(size):
    inputs = np.random.default_rng(0).normal(size=(2, 4, 6, 3)).astype("float32")
    reference = np.zeros((2, *size, 1), "uint8")
    outputs = keras.ops.convert_to_numpy(ResizeLike()(inputs, reference))
    wanted = interpolate(interpolate(inputs, size[0], 1), size[1], 2)
    np.testing.assert_allclose(outputs, wanted, atol=1e-5)


@pytest.mark.parametrize("sides", [(1, 4, 9, 13), (2, 6, 5, 6), (3, 3, 2, 1)])
def test_bilinear_with_aligned_corners(sides):
    height, width, *size = sides
    inputs = np.random.default_rng(0).normal(size=(2, height, width, 3))
    layer = ResizeLike.from_config(ResizeLike(align_corners=True).get_config())
    outputs = layer(inputs.astype("float32"), np.zeros((2, *size, 1), "uint8"))
    wanted = interpolate(interpolate(inputs, size[0], 1, True), size[1], 2, True)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(outputs), wanted, atol=1e-5, rtol=1e-5
    )


def test_symbolic_size_follows_the_reference():
    small, large = keras.Input((None, None, 5)), keras.Input((None, None, 3))
    assert ResizeLike()(small, large).shape == (None, None, None, 5)
    model = keras.Model([small, large], ResizeLike()(small, large))
    for size in ((8, 9), (7, 20)):
        inputs = [np.ones((1, 2, 3, 5)), np.ones((1, *size, 3))]
        outputs = model.predict(inputs, verbose=0)
        assert outputs.shape == (1, *size, 5)
        np.testing.assert_allclose(outputs, 1.0, atol=1e-6)


@pytest.mark.parametrize("factors", [(2, 4), (3, 1), (8, 2), (1, 5)])
def test_gradient_of_an_enlargement(factors):
    """It is the transposed matrix of the interpolation: linear in its inputs."""
    sides = 3, 2
    size = [side * factor for side, factor in zip(sides, factors, strict=True)]
    upstream = np.random.default_rng(0).normal(size=(2, *size, 5)).astype("float32")
    matrices = [
        interpolate(np.eye(side), large, 0)
        for side, large in zip(sides, size, strict=True)
    ]
    wanted = np.einsum("yi,xj,byxc->bijc", *matrices, upstream)

    def loss(x):
        outputs = ResizeLike()(x, upstream, training=True)
        return keras.ops.sum(keras.ops.multiply(outputs, upstream))

    found = gradient_of(loss, np.ones((2, *sides, 5), "float32"))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_float16_in_and_out():
    layer = ResizeLike(dtype="float16")
    outputs = layer(np.ones((1, 2, 2, 1), "float16"), np.ones((1, 5, 5, 1)))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"


def test_cells_are_means_of_49x49_windows():
    inputs = np.random.default_rng(0).normal(size=(1, 66, 70, 2)).astype("float32")
    outputs = keras.ops.convert_to_numpy(LargeKernelPool()(inputs))
    assert outputs.shape == (1, 2, 2, 2)
    for row in range(2):
        for column in range(2):
            window = inputs[0, 16 * row :, 20 * column :][:49, :49]
            wanted = window.astype("float64").mean((0, 1))
            np.testing.assert_allclose(outputs[0, row, column], wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("crop", "cells"), [((64, 128), (1, 4)), ((128, 256), (5, 11))]
)
def test_published_crops_give_the_recipe_cells(crop, cells):
    shape = LargeKernelPool().compute_output_shape((1, *crop, 160))
    assert shape == (1, *cells, 160)


def test_the_smallest_side_is_385_at_stride_8():
    assert LargeKernelPool(feature_stride=8).smallest_side == 385
    assert LargeKernelPool(feature_stride=32).smallest_side == 1537


def test_smaller_images_are_refused_with_the_side():
    with pytest.raises(ValueError, match="at least 385 pixels"):
        LargeKernelPool()(np.zeros((1, 48, 80, 2), "float32"))
    with pytest.raises(ValueError, match="at least 385 pixels"):
        LargeKernelPool()(keras.Input((80, 48, 2)))


def test_the_config_makes_the_same_layer():
    layer = LargeKernelPool(feature_stride=16, name="pool")
    again = LargeKernelPool.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.smallest_side == 769
