"""Labels from coarse scores: those of a plain resize and the largest score."""

import numpy as np
import onnx_ir as ir
import pytest
from onnx import TensorProto, checker, helper

from harness.onnx_graphs import graph_of, run
from keras_lraspp.export.onnx_labels import label_from_cells


def plain(factors, classes=7, mode="half_pixel"):
    """The last nodes of an exported network, its channels last."""
    how = {"mode": "linear", "coordinate_transformation_mode": mode}
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["r"], **how),
        helper.make_node("ArgMax", ["r"], ["a"], axis=3, keepdims=0),
        helper.make_node("Cast", ["a"], ["y"], to=TensorProto.INT32),
    ]
    scales = np.array([1, *factors, 1], "float32")
    shape = ["batch", "height", "width", classes]
    kind = TensorProto.INT32
    return graph_of(nodes, shape, rank=3, kind=kind, scales=scales)


def from_cells(model):
    changed = ir.from_proto(model)
    label_from_cells(changed.graph)
    changed.graph.sort()
    proto = ir.to_proto(changed)
    checker.check_model(proto)
    return proto


def smooth(batch, height, width, classes=7):
    """Scores of things that are some cells wide."""
    rng = np.random.default_rng(0)
    coarse = rng.normal(size=(batch, height // 3 + 1, width // 3 + 1, classes))
    large = coarse.repeat(3, 1).repeat(3, 2)[:, :height, :width]
    return (large + rng.normal(size=large.shape) / 9).astype("float32")


@pytest.mark.parametrize("factor", [2, 4, 8, 32])
def test_labels_are_those_of_all_pixels(factor):
    model, x = plain((factor, factor)), smooth(2, 9, 7)
    found = from_cells(model)
    assert "Resize" not in {node.op_type for node in found.graph.node}
    labels, expected = run(found, x), run(model, x)
    assert labels.dtype == expected.dtype == np.int32
    assert len(np.unique(expected)) > 3
    np.testing.assert_array_equal(labels, expected)


@pytest.mark.parametrize("what", ["noise", "one class", "one cell", "equal scores"])
def test_labels_of_extremes(what):
    model, x = plain((4, 4)), smooth(1, 6, 5)
    if what == "noise":  # every cell beside another class
        x = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    if what == "one class":
        x[..., 3] += 100
    if what == "one cell":
        x = x[:, :1, :1]
    if what == "equal scores":
        x[:] = 1
    np.testing.assert_array_equal(run(from_cells(model), x), run(model, x))


@pytest.mark.parametrize("arguments", [{"factors": (3, 3)}, {"factors": (4, 2)}])
def test_other_factors_stay(arguments):
    found = from_cells(plain(**arguments))
    assert [node.op_type for node in found.graph.node] == ["Resize", "ArgMax", "Cast"]


def test_aligned_corners_stay():
    found = from_cells(plain((4, 4), mode="align_corners"))
    assert [node.op_type for node in found.graph.node] == ["Resize", "ArgMax", "Cast"]
