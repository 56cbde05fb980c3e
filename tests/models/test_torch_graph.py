"""Networks on PyTorch's CPU, whose graph runs directly, against Keras's own way."""

import keras
import numpy as np
import pytest

from harness.trained_like import trained_like
from keras_lraspp import LRASPP
from keras_lraspp.models.graph_model import GraphModel

pytestmark = [
    pytest.mark.backends,
    pytest.mark.skipif(keras.backend.backend() != "torch", reason="PyTorch's way"),
]
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 33, 64, 3), dtype="uint8")


@pytest.fixture(scope="module", params=["paddleseg", "torchvision", "tensorflow"])
def model(request):
    keras.utils.set_random_seed(0)
    return trained_like(family=request.param)


@pytest.fixture
def both_ways(monkeypatch):
    """Calls a function as it is, and with Keras running the graph."""

    def call(function):
        ours = function()
        with monkeypatch.context() as patch:
            patch.delattr(GraphModel, "call")
            return ours, function()

    return call


def test_logits_without_gradients(model, both_ways):
    import torch

    with torch.no_grad():
        ours, keras_own = both_ways(lambda: model(PIXELS, training=False).numpy())
    largest = np.abs(keras_own).max()
    assert not np.array_equal(ours, keras_own)  # batch norms are in the kernels
    np.testing.assert_allclose(ours, keras_own, atol=1e-5 * largest)


def test_training_is_the_same_to_the_bit(model, both_ways):
    before = model.get_weights()

    def step():
        model.set_weights(before)
        model.zero_grad()
        keras.utils.set_random_seed(2)
        logits = model(PIXELS, training=True)
        (logits**2).mean().backward()
        slopes = [v.value.grad.numpy() for v in model.trainable_variables]
        return [logits.detach().numpy(), *slopes, *model.get_weights()]

    for ours, keras_own in zip(*both_ways(step), strict=True):
        np.testing.assert_array_equal(ours, keras_own)
    model.set_weights(before)


def test_gradients_in_inference_mode_are_kept(model):
    logits = model(PIXELS, training=False)
    logits.sum().backward()
    assert (
        np.abs(model.backbone.get_layer("stem_conv").kernel.value.grad.numpy()).max()
        > 0
    )
    model.zero_grad()


def test_hooks_and_other_precisions_are_keras_own(model, both_ways):
    import torch

    seen = []
    layer = model.backbone.get_layer("stem_conv")
    hook = layer.register_forward_hook(lambda *given: seen.append(given[2].shape))
    try:
        with torch.no_grad():
            model(PIXELS, training=False)
    finally:
        hook.remove()
    assert [tuple(shape) for shape in seen] == [(2, 17, 32, layer.filters)]
    half = LRASPP(3, "small", 0.35, head_filters=8, dtype="mixed_bfloat16")
    with torch.no_grad():
        ours, keras_own = both_ways(lambda: half(PIXELS, training=False).numpy())
    np.testing.assert_array_equal(ours, keras_own)
