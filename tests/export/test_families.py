"""Files of the other families' networks, in their runtimes, against the Keras model."""

from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from harness.stand_ins import with_few_blocks
from harness.trained_like import trained_like
from keras_lraspp.classes import generic_class_set
from keras_lraspp.export.folding import folded_convolutions
from keras_lraspp.export.graph import inference_graph, small_logits
from keras_lraspp.export.litert import export_litert
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.parity import draw_image
from keras_lraspp.export.saved_model import export_saved_model
from keras_lraspp.inference.heads import logits_head
from keras_lraspp.weights.published import VARIANTS

SIZES = [(64, 96), (45, 71), (46, 60)]  # whole multiples of all strides, odd, even
LARGE_KERNEL_SIZES = [(392, 400), (385, 387)]
CASES = {
    "tensorflow": ({"output_stride": 32}, SIZES),
    "fastseg": ({"output_stride": 8, "pooling": "large_kernel"}, LARGE_KERNEL_SIZES),
    "torchvision": ({"output_stride": 16}, SIZES),
}


@pytest.fixture(scope="module", params=CASES)
def case(request):
    """A network of four blocks, which look trained, images, and its logits of them."""
    arguments, sizes = CASES[request.param]
    with pytest.MonkeyPatch.context() as patch:
        with_few_blocks(patch)
        model = trained_like(family=request.param, width=1.0, **arguments)
    images = [draw_image(*size) for size in sizes]
    return model, images, [logits_of(model, image) for image in images]


def logits_of(model, image):
    return keras.ops.convert_to_numpy(model(image, training=False))


def assert_close(found, expected, tolerance=1e-4):
    assert expected.std() > 0.1
    scale = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, atol=tolerance * scale)


def test_the_graph_written_anew(case):
    model, images, logits = case
    graph = inference_graph(model, "tensorflow", ("logits",))
    for image, expected in zip(images, logits, strict=True):
        assert_close(graph(tf.constant(image))["logits"], expected, 1e-5)


def test_an_onnx_file_of_any_size(case, tmp_path):
    model, images, logits = case
    path = tmp_path / "any.onnx"
    report = export_onnx(model, path, outputs=("labels", "logits"))
    assert report.max_logit_difference < 1e-4 * report.largest_logit
    session = onnxruntime.InferenceSession(path)
    for image, expected in zip(images, logits, strict=True):
        assert_close(session.run(["logits"], {"image": image})[0], expected)
    nodes = Counter(node.op_type for node in onnx.load(path).graph.node)
    # The stem, twice in three blocks, and the last convolution.
    assert nodes["HardSwish"] == 1 + 2 * 3 + 1
    assert "BatchNormalization" not in nodes and "Pad" not in nodes


def test_a_litert_file(case, tmp_path):
    model, images, logits = case
    path, size = tmp_path / "a.tflite", images[1].shape[1:3]
    export_litert(model, path, size=size, outputs=("logits",))
    interpreter = Interpreter(str(path))
    found = interpreter.get_signature_runner()(image=images[1])["logits"]
    assert_close(found, logits[1])
    kinds = {one["op_name"] for one in interpreter._get_ops_details()}
    # Its own operator pads as TensorFlow does.
    assert ("PAD" in kinds) == (model.family == "torchvision")


def test_padding_and_pixels_are_those_of_the_layers(case):
    model, _, _ = case
    convolutions = folded_convolutions(model)
    strided = [conv for conv in convolutions.values() if conv.stride == 2]
    assert {conv.symmetric for conv in strided} == {model.family == "torchvision"}
    assert len(strided) == 1 + {8: 2, 16: 3, 32: 4}[model.backbone.output_stride]
    assert "block_0_expand_conv" not in convolutions and "last_conv" in convolutions


def test_a_sum_of_logits_is_known_for_one(case):
    model, _, _ = case
    assert logits_head(model, from_logits=True).model is model
    with pytest.raises(ValueError, match="The model returns logits, but from_logits"):
        logits_head(model, from_logits=False)


def test_padded_classes_never_win(case):
    model, images, _ = case
    image = tf.constant(images[0])
    plain = small_logits(model, "tensorflow")(image)
    padded = small_logits(model, "tensorflow", padded_classes=8)(image)
    np.testing.assert_allclose(padded[..., :5], plain, atol=1e-5)
    assert np.max(padded[..., 5:]) < -1e29 and np.isfinite(padded).all()


NETWORKS = {str(row.arguments): row for row in reversed(VARIANTS)}.values()


@pytest.mark.slow
@pytest.mark.parametrize("row", NETWORKS, ids=lambda row: row.name)
def test_each_variant_in_three_formats(row, tmp_path):
    model = trained_like(row.num_classes, **row.arguments)
    size = (387, 390) if row.pooling == "large_kernel" else (61, 98)
    options = {"classes": generic_class_set(row.num_classes), "variant": row.name}
    for report in (
        export_onnx(model, tmp_path / "a.onnx", **options),
        export_litert(model, tmp_path / "a.tflite", size=size, **options),
        export_saved_model(model, tmp_path / "served", size=size, **options),
    ):
        assert report.agreement > 0.999
        # Random networks blow up rounding: on some images the model itself is this far
        # from its logits in float64.
        assert report.max_logit_difference < 3e-4 * report.largest_logit
