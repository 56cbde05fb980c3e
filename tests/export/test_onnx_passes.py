"""Rewriting rules on small graphs, judged by ONNX Runtime."""

import numpy as np
import pytest
from onnx import helper

from harness.onnx_graphs import graph_of, rewritten, run
from keras_lraspp.export import onnx as onnx_passes


def hard_swish(order, factor=1 / 6, top=6.0):
    f32 = np.float32
    last = ("x", "c") if order == "x first" else ("c", "sixth")
    nodes = [
        helper.make_node("Add", ["x", "three"], ["a"]),
        helper.make_node("Clip", ["a", "low", "high"], ["c"]),
        helper.make_node("Mul", list(last), ["m"]),
        helper.make_node(
            "Mul", ["m", "sixth"] if order == "x first" else ["x", "m"], ["y"]
        ),
    ]
    return graph_of(
        nodes,
        [1, 2, 3, 3],
        three=np.full((1, 1, 1, 1), 3, f32),
        low=f32(0),
        high=f32(top),
        sixth=np.full((1, 1, 1, 1), factor, f32),
    )


@pytest.mark.parametrize("order", ["x first", "factor first"])
def test_hard_swish_is_one_node(order):
    model = hard_swish(order)
    x = np.linspace(-5, 5, 18, dtype="float32").reshape(1, 2, 3, 3)
    found, kinds = rewritten(model, onnx_passes.fuse_hard_swish)
    assert kinds == ["HardSwish"]
    assert not found.graph.initializer
    np.testing.assert_allclose(run(found, x), run(model, x), atol=1e-6)


@pytest.mark.parametrize("changed", [{"factor": 0.2}, {"top": 5.0}])
def test_what_is_no_hard_swish_stays(changed):
    model = hard_swish("x first", **changed)
    _, kinds = rewritten(model, onnx_passes.fuse_hard_swish)
    assert kinds == ["Add", "Clip", "Mul", "Mul"]


def test_a_reshape_that_does_something_stays():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Reshape", ["a", "sides"], ["y"]),
    ]
    model = graph_of(nodes, [1, 2, 3, 4], sides=np.array([1, 24, 1, 1]))
    _, kinds = rewritten(model, onnx_passes.drop_idle_reshapes)
    assert kinds == ["Relu", "Reshape"]


@pytest.mark.parametrize("wanted", [50, 51, 64, 97, 100])
@pytest.mark.parametrize("given", [7, 13, 25, 26])
def test_a_resize_has_the_size_that_is_meant(given, wanted):
    factor = np.float32(wanted / given)
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear")]
    scales = np.array([1, 1, 1, factor], "float32")
    model = graph_of(nodes, [1, 1, 1, given], scales=scales)
    found, _ = rewritten(model, onnx_passes.reach_sizes)
    x = np.arange(given, dtype="float32")[None, None, None]
    made = run(found, x)
    assert made.shape == (1, 1, 1, wanted)
    places = (np.arange(wanted) + 0.5) * given / wanted - 0.5
    expected = places.clip(0, given - 1)
    np.testing.assert_allclose(made[0, 0, 0], expected, atol=2e-5)
