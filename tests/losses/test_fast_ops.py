"""Losses and gradients of single pixels against NumPy in float64."""

import keras
import numpy as np
import pytest
from keras import ops

from harness.gradients import gradient_of
from harness.losses import CLASSES, batch, softmax
from keras_lraspp.losses import fast_ops as module
from keras_lraspp.losses.fast_ops import kth_smallest, softmax_cross_entropy

pytestmark = pytest.mark.backends

on_tensorflow = keras.backend.backend() == "tensorflow"


@pytest.fixture(params=["fused", "kernels"] if on_tensorflow else ["kernels"])
def way(request, monkeypatch):
    """The two ways on TensorFlow: on a CPU, and on a GPU or for unknown sizes."""
    if request.param == "kernels":
        monkeypatch.setattr(module, "can_fuse", lambda *tensors: False)


@pytest.mark.parametrize("sharpness", [0, 8, 200])
def test_losses_and_gradients(way, sharpness):
    logits, labels = batch(0, sharpness, ignored=0.0)
    labels = labels.astype("int32")
    upstream = np.random.default_rng(1).random(labels.shape, np.float32)
    probabilities = softmax(logits)
    truth = np.eye(CLASSES)[labels]
    shifted = logits.astype("float64") - logits.max(-1, keepdims=True)
    expected = np.log(np.exp(shifted).sum(-1)) - (shifted * truth).sum(-1)

    found = ops.convert_to_numpy(softmax_cross_entropy(labels, logits))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    gradient = gradient_of(
        lambda x: ops.sum(ops.multiply(softmax_cross_entropy(labels, x), upstream)),
        logits,
    )
    wanted = upstream[..., None] * (probabilities - truth)
    np.testing.assert_allclose(gradient, wanted, atol=2e-6)


@pytest.mark.skipif(not on_tensorflow, reason="the other backends' own")
def test_a_wrong_label_is_seen(way):
    import tensorflow as tf

    logits, labels = batch(0, 1, ignored=0.0)
    labels = labels.astype("int32")
    labels[0, 0, 0] = CLASSES
    try:
        losses = softmax_cross_entropy(labels, logits).numpy()
    except tf.errors.InvalidArgumentError:  # TensorFlow's `gather` does so on a CPU
        return
    assert np.isnan(losses[0, 0, 0]) and np.isfinite(losses[0, 0, 1:]).all()


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
