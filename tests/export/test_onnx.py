"""ONNX files: their structure, and what ONNX Runtime makes of them."""

from collections import Counter

import keras
import numpy as np
import onnx
import onnxruntime
import pytest

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.classes import CLASS_SETS, ClassSet, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.parity import ParityError, draw_image
from keras_lraspp.models.mobilenet_v3 import BLOCKS

CLASSES = ClassSet(("a", "b", "c", "é", "e"), generic_class_set(5).palette)


def scores(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def run(path, images, *outputs):
    session = onnxruntime.InferenceSession(str(path))
    return session.run(list(outputs) or None, {"image": images})


def dims(value):
    shape = value.type.tensor_type.shape
    return [dim.dim_value or dim.dim_param for dim in shape.dim]


@pytest.fixture(scope="module")
def any_size(tmp_path_factory):
    model = trained_like(output_stride=8)
    path = tmp_path_factory.mktemp("onnx") / "any.onnx"
    report = export_onnx(
        model,
        path,
        outputs=("labels", "logits", "probabilities"),
        classes=CLASSES,
        variant="tiny",
        images=[draw_image(50, 60)[0]],
    )
    return model, path, report, onnx.load(path)


def test_any_size_is_the_keras_model(any_size):
    model, path, _, _ = any_size
    # Odd sizes, and two that are whole multiples of all strides.
    for batch, height, width in [(1, 45, 71), (2, 64, 96), (1, 33, 130), (1, 8, 8)]:
        images = random_images(batch, height, width, seed=height)
        expected = scores(model, images)
        labels, logits, probabilities = run(path, images)
        atol = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(logits, expected, atol=atol)
        np.testing.assert_array_equal(labels, logits.argmax(-1))
        softmax = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        np.testing.assert_allclose(probabilities, softmax, atol=1e-5)
        assert labels.dtype == np.int32


@pytest.mark.parametrize(
    "shape, says",
    [
        ((), "Invalid rank"),
        ((8, 8, 3), "Invalid rank"),
        ((1, 1, 8, 8, 3), "Invalid rank"),
        ((1, 8, 8, 4), "invalid dimensions"),
        ((1, 8, 8, 0), "invalid dimensions"),
        ((1, 0, 8, 3), "Invalid input shape"),
        ((1, 8, 0, 3), "Invalid input shape"),
        ((0, 8, 8, 3), "zero"),
    ],
)
def test_the_runtime_refuses_other_shapes(any_size, shape, says):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(str(any_size[1]), options)
    with pytest.raises(Exception, match=says):
        session.run(None, {"image": np.zeros(shape, np.uint8)})


def test_no_constant_is_left_that_nothing_uses(any_size, capfd):
    onnxruntime.InferenceSession(any_size[1], providers=["CPUExecutionProvider"])
    assert "Removing initializer" not in capfd.readouterr().err


def test_names_and_sizes(any_size):
    _, _, _, proto = any_size
    (given,) = proto.graph.input
    assert given.name == "image"
    assert given.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert dims(given) == ["batch", "height", "width", 3]
    made = {value.name: dims(value) for value in proto.graph.output}
    assert made == {
        "labels": ["batch", "height", "width"],
        "logits": ["batch", "height", "width", 5],
        "probabilities": ["batch", "height", "width", 5],
    }
    assert {item.domain: item.version for item in proto.opset_import}[""] == 17


def test_metadata(any_size):
    _, _, _, proto = any_size
    entries = {item.key: item.value for item in proto.metadata_props}
    assert entries["classes"] == '["a", "b", "c", "é", "e"]'
    assert entries["palette"].startswith("[[0, 0, 0], [128, 0, 0], ")
    assert entries["variant"] == "tiny"
    assert entries["num_classes"] == "5"


@pytest.mark.parametrize("branch", ["then_branch", "else_branch"])
def test_operators(any_size, branch):
    nodes = with_branch(any_size[3], branch)
    blocks = BLOCKS["small"]
    count = Counter(node.op_type for node in nodes)
    assert count["HardSwish"] == 1 + 2 * sum(block.hard_swish for block in blocks)
    assert count["GlobalAveragePool"] == 1 + sum(b.squeeze_excite for b in blocks)
    # 3 per block and 2 per gate; stem, value, gate, classes, and 2 per skip connection.
    gates = sum(block.squeeze_excite for block in blocks)
    # The convolution after a block's gate is a matrix product with gated weights.
    assert count["MatMul"] == gates
    assert count["Conv"] == 3 * len(blocks) + gates + 8
    assert count["Resize"] == 2  # the deepest map has the size of the middle tap
    known = {"Relu", "Clip", "Add", "Mul", "Sub", "Sigmoid", "Cast", "Transpose"}
    sizes = {"Shape", "Slice", "Concat", "Gather", "Abs", "ReduceMax", "Equal", "If"}
    counted = {"HardSwish", "GlobalAveragePool", "Conv", "MatMul", "Resize", "Reshape"}
    assert set(count) <= known | sizes | counted | {"ArgMax", "Softmax"}
    dilations = Counter(
        onnx.helper.get_node_attr_value(node, "dilations")[0]
        for node in nodes
        if node.op_type == "Conv"
    )
    assert (dilations[2], dilations[4]) == (5, 2)


def with_branch(proto, branch):
    """All nodes, of the head's two copies those of one."""
    nodes = list(proto.graph.node)
    (choice,) = [node for node in nodes if node.op_type == "If"]
    return [*nodes, *onnx.helper.get_node_attr_value(choice, branch).node]


def test_whole_factors_are_constants(any_size):
    proto = any_size[3]
    whole, free = (
        [node for node in with_branch(proto, branch) if node.op_type == "Resize"]
        for branch in ("then_branch", "else_branch")
    )
    # The last resize is outside; it has its channels last.
    assert [len(node.input) for node in whole] == [4, 3]
    assert [len(node.input) for node in free] == [4, 4]
    (choice,) = [node for node in proto.graph.node if node.op_type == "If"]
    branch = onnx.helper.get_node_attr_value(choice, "then_branch")
    values = {value.name: value for value in branch.initializer}
    scales = onnx.numpy_helper.to_array(values[whole[1].input[2]])
    assert scales.tolist() == [1, 1, 2, 2]


def test_the_report(any_size):
    model, path, report, _ = any_size
    assert (report.path, report.format, report.precision) == (path, "onnx", "float32")
    assert report.sizes == ((50, 60), (97, 161), (127, 191))
    assert report.given_images == 1
    assert report.pixels == 50 * 60 + 97 * 161 + 127 * 191
    assert report.agreement > 0.9999
    assert 0 < report.max_logit_difference < 1e-4 * report.largest_logit
    assert report.as_dict()["path"] == "any.onnx"


def test_a_fixed_size_to_labels(tmp_path):
    model = trained_like(output_stride=32)
    path = tmp_path / "fixed.onnx"
    report = export_onnx(model, path, size=(64, 96))
    assert report.max_logit_difference < 1e-4 * report.largest_logit
    proto = onnx.load(path)
    assert dims(proto.graph.input[0]) == ["batch", 64, 96, 3]
    assert [dims(value) for value in proto.graph.output] == [["batch", 64, 96]]
    # Nothing is worked out at run time but the image, and which pixels have a class
    # of their own.
    kinds = Counter(node.op_type for node in proto.graph.node)
    assert kinds["Resize"] == 2 and kinds["NonZero"] == 1
    assert (kinds["Shape"], kinds["Slice"], kinds["Concat"]) == (3, 5, 1)
    images = np.concatenate([draw_image(64, 96), random_images(1, 64, 96)])
    (labels,) = run(path, images)
    assert np.mean(labels == scores(model, images).argmax(-1)) > 0.999
    with pytest.raises(Exception, match="Got: 63 Expected: 64"):
        run(path, images[:, :63])


@pytest.mark.parametrize("size", [(100, 128), (61, 97)])
def test_a_fixed_size_that_halves_unevenly(tmp_path, size):
    # 100 pixels become 4 cells, which are resized to 13, not by a whole factor.
    model, path = trained_like(output_stride=32), tmp_path / "fixed.onnx"
    export_onnx(model, path, size=size, outputs=["logits"])
    expected = scores(model, draw_image(*size))
    (logits,) = run(path, draw_image(*size))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("arguments", "sizes"),
    [
        ({"output_stride": 32}, [(64, 32), (72, 96), (61, 97)]),
        ({"output_stride": 8, "pooling": "large_kernel"}, [(400, 390), (392, 408)]),
    ],
)
def test_other_variants_at_any_size(tmp_path, arguments, sizes):
    model, path = trained_like(**arguments), tmp_path / "any.onnx"
    export_onnx(model, path, outputs=["logits"])
    for size in sizes:
        images = draw_image(*size)
        expected = scores(model, images)
        (logits,) = run(path, images)
        atol = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(logits, expected, atol=atol)


def test_another_keras_model(tmp_path, capfd):
    model = pixel_model()
    export_onnx(model, tmp_path / "a.onnx", opset=18)
    said = capfd.readouterr()
    assert "Traceback" not in said.err + said.out
    images = random_images(2, 17, 40)
    (labels,) = run(tmp_path / "a.onnx", images)
    np.testing.assert_array_equal(labels, expected_labels(model, images))


def test_bad_arguments(tmp_path):
    model, path = pixel_model(), tmp_path / "a.onnx"
    path.write_bytes(b"kept")
    for arguments, match in [
        ({}, "a.onnx is there already"),
        ({"opset": 16}, "opset is a whole number from 17, not 16"),
        ({"outputs": ["colours"]}, "outputs are some of"),
        ({"outputs": []}, "outputs are some of"),
        ({"size": (3,)}, r"size is \(height, width\)"),
        ({"classes": CLASS_SETS["camvid"]}, "predicts 5 classes, but 11 are named"),
    ]:
        with pytest.raises(InputError, match=match):
            export_onnx(model, path, **arguments)
    assert path.read_bytes() == b"kept"


def test_a_file_that_drifts_is_not_written(tmp_path, monkeypatch):
    def other(*arguments):
        return inference_graph(pixel_model(seed=9), *arguments[1:])

    from keras_lraspp.export.graph import inference_graph

    monkeypatch.setattr("keras_lraspp.export.onnx.inference_graph", other)
    with pytest.raises(ParityError, match="nothing was exported"):
        export_onnx(pixel_model(), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_weights_that_are_NaN_are_not_exported(tmp_path, wrong):
    model = pixel_model()
    model.set_weights([np.full_like(each, wrong) for each in model.get_weights()])
    with pytest.raises(ParityError, match="The Keras model gives scores that are NaN"):
        export_onnx(model, tmp_path / "a.onnx")
    assert not [*tmp_path.iterdir()]
