"""ResizeLike against bilinear interpolation written out in NumPy."""

import keras
import numpy as np
import pytest

from keras_lraspp.layers import ResizeLike

pytestmark = pytest.mark.backends


def interpolate(values, size, axis):
    """Linear interpolation along one axis, half-pixel centres, clamped edges."""
    length = values.shape[axis]
    place = np.clip((np.arange(size) + 0.5) * length / size - 0.5, 0, length - 1)
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


def test_symbolic_size_follows_the_reference():
    small, large = keras.Input((None, None, 5)), keras.Input((None, None, 3))
    assert ResizeLike()(small, large).shape == (None, None, None, 5)
    model = keras.Model([small, large], ResizeLike()(small, large))
    for size in ((8, 9), (7, 20)):
        inputs = [np.ones((1, 2, 3, 5)), np.ones((1, *size, 3))]
        outputs = model.predict(inputs, verbose=0)
        assert outputs.shape == (1, *size, 5)
        np.testing.assert_allclose(outputs, 1.0, atol=1e-6)


def test_float16_in_and_out():
    layer = ResizeLike(dtype="float16")
    outputs = layer(np.ones((1, 2, 2, 1), "float16"), np.ones((1, 5, 5, 1)))
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
