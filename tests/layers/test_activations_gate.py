"""HardGate against the formula."""

import keras
import numpy as np
import pytest

from keras_lraspp.layers import HardGate

pytestmark = pytest.mark.backends


def test_slope_is_a_fifth_between_the_ends():
    inputs = np.array([[-9.0, -2.5, -1.0, 0.0, 2.0, 2.5, 9.0]], "float32")
    outputs = keras.ops.convert_to_numpy(HardGate()(inputs))
    np.testing.assert_allclose(outputs, [[0, 0, 0.3, 0.5, 0.9, 1, 1]], atol=1e-6)
