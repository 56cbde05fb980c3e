"""Turning layouts around on small graphs, judged by ONNX Runtime."""

import numpy as np
from onnx import TensorProto, helper

from harness.onnx_graphs import graph_of, rewritten, run
from keras_lraspp.export import onnx as onnx_layout


def resize_and_arg_max():
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["r"], mode="linear"),
        helper.make_node("ArgMax", ["r"], ["y"], axis=1, keepdims=0),
    ]
    scales = np.array([1, 1, 4, 3], "float32")
    return graph_of(nodes, [1, 3, 4, 5], rank=3, kind=TensorProto.INT64, scales=scales)


def test_the_last_resize_has_its_channels_last():
    model = resize_and_arg_max()
    found, kinds = rewritten(
        model,
        lambda graph: onnx_layout.resize_channels_last(graph, everywhere=False),
        onnx_layout.scores_channels_last,
        onnx_layout.cancel_transposes,
    )
    assert kinds == ["Transpose", "Resize", "ArgMax"]
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(run(found, x), run(model, x))


def test_transposes_of_an_output_cancel():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[0, 2, 3, 1]),
    ]
    model = graph_of(nodes, [1, 2, 3, 4])
    found, kinds = rewritten(model, onnx_layout.cancel_transposes)
    assert kinds == ["Relu"]
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(run(found, x), np.maximum(x, 0))
