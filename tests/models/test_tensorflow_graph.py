"""Inference on TensorFlow's CPU, batch norms in the kernels, against Keras's way."""

import keras
import numpy as np
import pytest

from harness.trained_like import trained_like
from keras_lraspp.inference.functions import logit_function
from keras_lraspp.layers import cpu_fusion
from keras_lraspp.models import tensorflow_graph
from keras_lraspp.models.tensorflow_graph import batch_norms_folded

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow's way"
)
PIXELS = np.random.default_rng(0).integers(0, 256, (2, 65, 96, 3), dtype="uint8")


@pytest.fixture(scope="module", params=["paddleseg", "torchvision", "tensorflow"])
def model(request):
    return trained_like(family=request.param)


def operations(function) -> list[str]:
    """Types of the operations of a function of pixels, those it calls among them."""
    import tensorflow as tf

    graph = tf.function(function, autograph=False).get_concrete_function(
        tf.TensorSpec((1, 64, 64, 3), tf.uint8)
    )
    inner = graph.graph.as_graph_def().library.function
    nodes = [node.op for f in inner for node in f.node_def]
    return nodes + [operation.type for operation in graph.graph.get_operations()]


def test_logits_are_keras_own_in_any_size(model):
    function = logit_function(model)
    for height, width in ((65, 96), (64, 64), (33, 90)):  # the third by an open graph
        pixels = PIXELS[:, :height, :width]
        own = np.asarray(model(pixels, training=False))
        ours = function(pixels)
        assert not np.array_equal(ours, own)  # batch norms are in the kernels
        np.testing.assert_allclose(ours, own, atol=1e-5 * np.abs(own).max())


def test_new_weights_are_seen(model):
    function, before = logit_function(model), model.get_weights()
    first = function(PIXELS)
    norm = model.backbone.get_layer("stem_bn")
    norm.beta.assign(norm.beta + 1.0)
    second, own = function(PIXELS), np.asarray(model(PIXELS, training=False))
    model.set_weights(before)
    np.testing.assert_allclose(second, own, atol=1e-5 * np.abs(own).max())
    assert np.abs(second - first).max() > 0.01


def test_only_what_stays_in_this_process_is_built_so(model):
    def infer(pixels):
        return model(pixels, training=False)

    assert "FusedBatchNormV3" in operations(infer)
    with batch_norms_folded():
        assert "FusedBatchNormV3" not in operations(infer)
        assert "FusedBatchNormV3" in operations(lambda x: model(x, training=True))
    assert "FusedBatchNormV3" in operations(infer)


def test_a_gpu_and_other_precisions_are_keras_own(model, monkeypatch):
    half = trained_like(dtype="mixed_bfloat16")
    with batch_norms_folded():
        assert "FusedBatchNormV3" in operations(lambda x: half(x, training=False))
        monkeypatch.setattr(tensorflow_graph, "on_cpu", lambda: False)
        assert "FusedBatchNormV3" in operations(lambda x: model(x, training=False))


def test_what_onednn_is_slow_at_stays_apart(monkeypatch):
    """A setting of the process, made once, unless somebody made it."""
    import tensorflow as tf

    optimizer, made = tf.config.optimizer, []
    monkeypatch.setattr(optimizer, "set_experimental_options", made.append)
    for slow, given, wanted in (
        (False, {}, []),
        (True, {}, [{"remapping": False}]),
        (True, {"remapping": True}, []),
    ):
        made.clear()
        monkeypatch.setattr(cpu_fusion, "has_slow_fusions", lambda slow=slow: slow)
        monkeypatch.setattr(
            optimizer, "get_experimental_options", lambda given=given: given
        )
        cpu_fusion.avoid_slow_fusions.cache_clear()
        cpu_fusion.avoid_slow_fusions()
        assert made == wanted
    cpu_fusion.avoid_slow_fusions.cache_clear()
