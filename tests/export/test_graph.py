"""The network written anew against the Keras model that it was read from."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness.trained_like import trained_like
from keras_lraspp.export.folding import folded_convolutions
from keras_lraspp.export.graph import inference_graph, small_logits
from keras_lraspp.export.parity import draw_image


def scores(model, image):
    return keras.ops.convert_to_numpy(model(image, training=False))


@pytest.mark.parametrize(
    ("arguments", "size"),
    [
        ({"output_stride": 8}, (45, 70)),
        ({"output_stride": 16, "backbone": "large"}, (33, 64)),
        ({"output_stride": 32}, (61, 97)),
        ({"output_stride": 8, "pooling": "large_kernel"}, (385, 401)),
    ],
)
def test_the_same_logits_at_odd_sizes(arguments, size):
    model = trained_like(**arguments)
    image = draw_image(*size)
    expected = scores(model, image)
    assert expected.std() > 0.1
    graph = inference_graph(model, "tensorflow", ("logits", "labels"))
    found = graph(tf.constant(image))
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found["logits"], expected, atol=1e-5 * scale)
    np.testing.assert_array_equal(
        found["labels"], found["logits"].numpy().argmax(-1).astype("int32")
    )


def test_batch_norm_is_folded():
    model = trained_like(output_stride=32)
    conv = folded_convolutions(model)["head_value_conv"]
    layer, norm = (model.get_layer(f"head_value_{kind}") for kind in ("conv", "bn"))
    x = np.random.default_rng(0).normal(size=(1, 2, 3, layer.kernel.shape[2]))
    expected = norm(layer(x), training=False)
    found = x @ conv.kernel[0, 0] + conv.bias
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_padded_classes_never_win():
    model = trained_like(5, output_stride=32)
    image = tf.constant(draw_image(40, 40))
    plain = small_logits(model, "tensorflow")(image)
    padded = small_logits(model, "tensorflow", padded_classes=8)(image)
    assert padded.shape[-1] == 8
    np.testing.assert_allclose(padded[..., :5], plain, atol=1e-5)
    assert np.max(padded[..., 5:]) < -1e29


def test_later_weights_have_no_effect():
    model = trained_like(output_stride=32)
    image = tf.constant(draw_image(40, 40))
    function = small_logits(model, "tensorflow")
    before = function(image)
    model.get_layer("head_classes_conv").kernel.assign(
        tf.zeros_like(model.get_layer("head_classes_conv").kernel)
    )
    np.testing.assert_array_equal(function(image), before)
