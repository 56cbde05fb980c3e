"""Ranges of activations for int8."""

import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.export.calibration import (
    CALIBRATION_IMAGES,
    activation_ranges,
    least_error_range,
    representative_images,
)

RNG = np.random.default_rng(0)


def test_even_values_take_the_whole_range():
    values = RNG.uniform(-1, 3, 5000)
    assert least_error_range(values, -1.0, 3.0) == (-1.0, 3.0)


def test_a_rare_large_value_is_clipped():
    count = 600_000
    values = np.append(RNG.uniform(0, 0.3, count), 1).astype("float32")
    low, high = least_error_range(values, 0.0, 1.0)
    # The least sum of clipping's (1 - end)^2 / count and rounding's (end / 255)^2 / 12.
    assert low == 0 and abs(high - 1 / (1 + count / (12 * 255**2))) < 0.02
    assert least_error_range(values[-2000:], 0.0, 1.0) == (0, 1)


def test_ranges_are_of_all_batches_and_hold_0():
    batches = [
        {"a": np.full((2, 3), 4, "f4"), "b": np.zeros(3, "f4")},
        {"a": np.full((2, 3), 8, "f4"), "b": np.full(3, -2, "f4")},
    ]
    ranges = activation_ranges(batches)
    # The only values lie on steps of these.
    assert ranges["a"][0] == 0 and ranges["a"][1] >= 8 * 0.99
    assert ranges["b"][1] == 0 and ranges["b"][0] <= -2 * 0.99


def test_images_to_calibrate_on():
    with pytest.raises(InputError, match="needs representative images"):
        representative_images(None)
    many = (np.zeros((2, 2, 3), "u1") for _ in range(CALIBRATION_IMAGES + 5))
    assert len(representative_images(many)) == CALIBRATION_IMAGES
