"""LargeKernelPool against NumPy means, and its refusal of small images."""

import keras
import numpy as np
import pytest

from keras_lraspp.layers import LargeKernelPool

pytestmark = pytest.mark.backends


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
