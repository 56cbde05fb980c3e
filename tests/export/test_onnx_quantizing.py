"""Int8 ONNX files: the integer operators that ONNX Runtime makes of them."""

from collections import Counter

import keras
import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from harness.onnx_graphs import graph_of, run
from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.errors import InputError
from keras_lraspp.export.onnx import export_onnx
from keras_lraspp.export.onnx_quantizing import fold_columns, quantize_graph
from keras_lraspp.export.parity import draw_image
from keras_lraspp.export.runtimes import open_exported
from keras_lraspp.models.mobilenet_v3 import BLOCKS

SIZE = (64, 96)
RNG = np.random.default_rng(0)


def scores(model, images):
    return keras.ops.convert_to_numpy(model(images, training=False))


def optimized_operators(path, folder):
    """The operators that ONNX Runtime runs."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    graph = onnx.load(folder / "optimized.onnx").graph
    return Counter(node.op_type for node in graph.node)


@pytest.fixture(scope="module")
def model():
    return trained_like(output_stride=8, seed=4)


@pytest.mark.parametrize("size", [SIZE, pytest.param(None, marks=pytest.mark.slow)])
def test_eight_bits(model, tmp_path, size):
    path = tmp_path / "int8.onnx"
    images = [draw_image(*SIZE)[0], *random_images(3, *SIZE)]
    report = export_onnx(
        model, path, size=size, precision="int8", representative=images
    )
    assert (report.format, report.precision) == ("onnx", "int8")
    image = draw_image(*SIZE)
    labels = open_exported(path).labels(image)
    assert np.mean(labels == scores(model, image).argmax(-1)) > 0.9
    weights = onnx.load(path).graph.initializer
    kernels = [numpy_helper.to_array(w) for w in weights if w.name.endswith("_kernel")]
    blocks = BLOCKS["small"]
    gates = sum(block.squeeze_excite for block in blocks)
    assert {kernel.dtype.name for kernel in kernels} == {"int8"}
    assert len(kernels) == 3 * len(blocks) + 2 * gates + 8
    if size is not None:
        found = optimized_operators(path, tmp_path)
        swishes = 1 + 2 * sum(block.hard_swish for block in blocks)
        assert found["QLinearConv"] == len(kernels)
        assert found["QLinearMul"] == gates + 1 + swishes
        assert not {"Conv", "HardSwish", "Relu", "Clip"} & set(found)


def test_no_sum_is_cut_off(model, tmp_path):
    path, images = tmp_path / "int8.onnx", [draw_image(*SIZE)[0]]
    export_onnx(model, path, size=SIZE, precision="int8", representative=images)
    proto = onnx.load(path)
    weights = {w.name: numpy_helper.to_array(w) for w in proto.graph.initializer}
    scaled = {node.output[0]: node.input[0] for node in proto.graph.node}
    for node in proto.graph.node:
        if node.op_type == "Conv":
            kernel = weights[scaled[node.input[1]]].astype(int)
            group = onnx.helper.get_node_attr_value(node, "group")
            # Two products in 16 bits, as processors without VNNI add them.
            assert group > 1 or 2 * 255 * np.abs(kernel).max() < 2**15
    # In floats as it stands in the file, and in 8 bits.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(0)
    session = onnxruntime.InferenceSession(path, options)
    (labels,) = session.run(["labels"], {"image": draw_image(*SIZE)})
    assert np.mean(labels == open_exported(path).labels(draw_image(*SIZE))) > 0.99


def test_another_keras_model(tmp_path):
    model, images = pixel_model(), random_images(2, 12, 20)
    path = tmp_path / "a.onnx"
    export_onnx(model, path, precision="int8", representative=images)
    labels = open_exported(path).labels(images)
    assert np.mean(labels == expected_labels(model, images)) > 0.95


def test_bad_arguments(tmp_path):
    for arguments, said in [
        ({"precision": "float16"}, "precision is one of"),
        ({"precision": "int8"}, "needs representative images"),
    ]:
        with pytest.raises(InputError, match=said):
            export_onnx(pixel_model(), tmp_path / "a.onnx", **arguments)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("high", [2.0, 8.0])
def test_hard_swish_is_within_two_steps(high):
    nodes = [
        helper.make_node("Identity", ["x"], ["i"]),  # else they were pixels
        helper.make_node("Conv", ["i", "eye"], ["c"], kernel_shape=[1, 1]),
        helper.make_node("HardSwish", ["c"], ["y"]),
    ]
    model = graph_of(nodes, [1, 1, 1, 201], eye=np.ones((1, 1, 1, 1), "float32"))
    x = np.linspace(-6, high, 201, dtype="float32").reshape(1, 1, 1, 201)
    ranges = {"i": (-6.0, high), "c": (-6.0, high), "y": (-0.375, high)}
    changed = ir.to_proto(quantize_graph(ir.from_proto(model), ranges))
    kinds = [node.op_type for node in changed.graph.node]
    assert "HardSwish" not in kinds and kinds.count("Mul") == 1
    expected = x * np.clip(x + 3, 0, 6) / 6
    step = (high + 6) / 255
    assert np.abs(run(changed, x) - expected).max() < 2 * step


def test_a_filter_of_zeros_keeps_its_bias():
    eye, bias = np.array([1, 0], "float32"), np.array([0.5, -0.25], "float32")
    nodes = [
        helper.make_node("Identity", ["x"], ["i"]),
        helper.make_node("Conv", ["i", "eye", "bias"], ["y"], kernel_shape=[1, 1]),
    ]
    shape = [1, 1, 1, 3]
    model = graph_of(nodes, shape, eye=eye.reshape(2, 1, 1, 1), bias=bias)
    ranges = {"i": (0.0, 1.0), "y": (-0.25, 1.5)}
    changed = ir.to_proto(quantize_graph(ir.from_proto(model), ranges))
    x = np.float32([0, 0.2, 1]).reshape(shape)
    expected = np.stack([x[0, 0] + 0.5, np.full((1, 3), -0.25)])[None]
    np.testing.assert_allclose(run(changed, x), expected, atol=1.75 / 255)


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 0, 1, 1]])
def test_folded_columns_are_the_same_convolution(pads):
    kernel = RNG.integers(-9, 9, (5, 3, 3, 3)).astype("float32")
    image = RNG.integers(0, 255, (2, 10, 16, 3)).astype("float32")

    def convolved(x, kernel, pads, strides):
        node = helper.make_node(
            "Conv", ["x", "kernel"], ["y"], pads=pads, strides=strides
        )
        model = graph_of([node], list(x.shape), kernel=kernel)
        return run(model, np.ascontiguousarray(x)).transpose(0, 2, 3, 1)

    expected = convolved(image.transpose(0, 3, 1, 2), kernel, pads, [2, 2])
    attributes = {
        "pads": ir.AttrInt64s("pads", pads),
        "strides": ir.AttrInt64s("strides", [2, 2]),
    }
    folded, changed, taken, made = fold_columns(kernel, attributes, image.shape)
    assert list(taken) == [10, 4, 12] and list(made) == [5, 8, 5]
    assert list(changed["kernel_shape"].as_ints()) == list(folded.shape[2:]) == [3, 2]
    found = convolved(
        image.reshape(2, *taken).transpose(0, 3, 1, 2),
        folded,
        list(changed["pads"].as_ints()),
        list(changed["strides"].as_ints()),
    )
    np.testing.assert_array_equal(found.reshape(expected.shape), expected)


def test_columns_that_do_not_fold():
    attributes = {
        "pads": ir.AttrInt64s("pads", [1, 1, 1, 1]),
        "strides": ir.AttrInt64s("strides", [2, 2]),
    }
    kernel = np.zeros((5, 3, 3, 3), "float32")
    assert fold_columns(kernel, attributes, (1, 10, 18, 3)) is None
    assert fold_columns(kernel, attributes, ("batch", 10, "width", 3)) is None
    assert fold_columns(kernel[..., :1], attributes, (1, 10, 16, 3)) is None
