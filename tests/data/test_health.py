"""Suggested weights of the classes."""

import numpy as np

from keras_lraspp.data.health import class_weights


def test_class_weights_balance_by_the_median_frequency():
    pixels = np.array([[10, 30, 0, 0, 60], [10, 0, 40, 0, 0]])
    frequency = np.array([20 / 90, 30 / 40, 40 / 50])
    expected = [*(np.median(frequency) / frequency), np.nan]
    np.testing.assert_allclose(class_weights(pixels), expected)
    assert np.isnan(class_weights(np.array([[0, 0, 5]]))).all()
