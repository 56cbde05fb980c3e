"""Resizes with the channels last are turned for WebGPU, and give the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from keras_lraspp.demo.webgpu import with_channels_first

SIZES = [1, 3, 10, 21]  # with the channels first, as exports have them


def model(in_branch):
    """A resize as `_resize_channels_last` of the export leaves it."""
    order = numpy_helper.from_array(np.array([0, 2, 3, 1]), "order")
    sizes = numpy_helper.from_array(np.array(SIZES), "sizes")
    nodes = [
        helper.make_node("Gather", ["sizes", "order"], ["turned"], axis=0),
        helper.make_node("Resize", ["x", "", "", "turned"], ["made"], mode="linear"),
        helper.make_node("Identity", ["made"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4, 7, 3])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10, 21, 3])
    graph = helper.make_graph(nodes, "g", [x], [y], [order, sizes])
    if in_branch:
        inner = helper.make_graph(nodes, "inner", [], [y], [order, sizes])
        yes = helper.make_node("Constant", [], ["yes"], value_ints=[1])
        truth = helper.make_node("Cast", ["yes"], ["truth"], to=TensorProto.BOOL)
        choice = helper.make_node(
            "If", ["truth"], ["z"], then_branch=inner, else_branch=inner
        )
        z = helper.make_tensor_value_info("z", TensorProto.FLOAT, [1, 10, 21, 3])
        graph = helper.make_graph([yes, truth, choice], "g", [x], [z])
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8)


def run(proto, image):
    session = onnxruntime.InferenceSession(proto.SerializeToString())
    return session.run(None, {"x": image})[0]


@pytest.mark.parametrize("in_branch", [False, True])
def test_the_channels_come_first_and_the_values_stay(in_branch):
    before = model(in_branch)
    after = with_channels_first(before)
    onnx.checker.check_model(after, full_check=True)
    image = np.random.default_rng(0).normal(0, 1, (1, 4, 7, 3)).astype("float32")
    np.testing.assert_allclose(run(after, image), run(before, image), atol=1e-6)

    graph = after.graph
    if in_branch:
        graph = graph.node[-1].attribute[0].g
    kinds = [node.op_type for node in graph.node]
    assert kinds[1:4] == ["Transpose", "Resize", "Transpose"]
    assert graph.node[2].input[-1] == "sizes"  # not turned


def test_other_resizes_stay_as_they_are():
    before = model(False)
    before.graph.node[1].input[-1] = "sizes"
    assert with_channels_first(before) == before
