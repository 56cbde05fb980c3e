"""Ranks are those of NumPy's sort."""

import numpy as np
import pytest
from keras import ops

from keras_lraspp.training.fast_ops import kth_smallest

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("shape", [(1,), (7,), (4, 5, 6)])
def test_every_rank(shape):
    values = np.random.default_rng(0).random(shape, np.float32)
    ranked = np.sort(values, axis=None)
    for rank in range(0, values.size, 1 + values.size // 9):
        assert ops.convert_to_numpy(kth_smallest(values, rank)) == ranked[rank]


def test_zeros_equal_values_and_extremes():
    values = np.array([2, 0, 1, 1, 1, 1e-45, 3e38, 0, 0.99999994], np.float32)
    ranked = np.sort(values)
    for rank, expected in enumerate(ranked):
        assert ops.convert_to_numpy(kth_smallest(values, rank)) == expected


def test_a_rank_that_is_a_tensor():
    values = np.random.default_rng(1).random(100, np.float32)
    rank = ops.convert_to_tensor(41, dtype="int32")
    assert ops.convert_to_numpy(kth_smallest(values, rank)) == np.sort(values)[41]
