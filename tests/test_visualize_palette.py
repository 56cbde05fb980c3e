"""colorize against a loop."""

import numpy as np
import pytest

from keras_lraspp.inference import colorize

PALETTE = ((10, 20, 30), (255, 0, 128), (0, 0, 7))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint16"])
def test_each_class_has_its_colour_and_the_rest_is_black(dtype):
    values = [0, 1, 2, 3, 200, 255]
    if not dtype.startswith("u"):
        values += [-1, -256, 70_000]
    labels = np.array([values, values[::-1]], dtype)
    painted = colorize(labels, PALETTE)
    assert painted.dtype == np.uint8
    for place in np.ndindex(labels.shape):
        known = 0 <= labels[place] < 3
        expected = PALETTE[labels[place]] if known else (0, 0, 0)
        assert tuple(painted[place]) == expected


@pytest.mark.parametrize("count", [255, 256, 300])
def test_large_palettes(count):
    palette = [(label % 256, label // 256, 9) for label in range(count)]
    labels = np.arange(256, dtype=np.uint8)[None]
    expected = [palette[label] if label < count else (0, 0, 0) for label in range(256)]
    np.testing.assert_array_equal(colorize(labels, palette), [expected])
