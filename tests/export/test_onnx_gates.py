"""Gates multiplied into weights, judged by ONNX Runtime."""

import numpy as np
import pytest
from onnx import helper

from harness.onnx_graphs import graph_of, rewritten, run
from keras_lraspp.export.onnx import Map, gates_into_weights

BATCH, CHANNELS, FILTERS, HEIGHT, WIDTH = 3, 4, 5, 6, 7
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(FILTERS, CHANNELS, 1, 1)).astype("float32")
GATE = RNG.normal(size=(CHANNELS, CHANNELS, 1, 1)).astype("float32")
BIAS = RNG.normal(size=FILTERS).astype("float32")
X = RNG.normal(size=(BATCH, CHANNELS, HEIGHT, WIDTH)).astype("float32")


def gated(bias: bool):
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        helper.make_node("Conv", ["pooled", "gate"], ["g"]),
        helper.make_node("Clip", ["g", "low", "high"], ["clipped"]),
        helper.make_node("Mul", ["x", "clipped"], ["m"]),
        helper.make_node("Conv", ["m", "matrix", *(["bias"] * bias)], ["y"]),
    ]
    constants = {"gate": GATE, "matrix": MATRIX, "bias": BIAS}
    numbers = {"low": np.float32(0), "high": np.float32(6)}
    return graph_of(nodes, [None, CHANNELS, None, None], **constants, **numbers)


@pytest.mark.parametrize("sides", [(None, None), (2 * HEIGHT, 2 * WIDTH - 1)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_gate_scales_the_weights(bias, sides):
    model = gated(bias)
    maps = {"y": Map(FILTERS, 1)}
    found, kinds = rewritten(
        model, lambda graph: gates_into_weights(graph, maps, sides)
    )
    assert kinds.count("Conv") == 1 and kinds.count("MatMul") == 1
    assert ("Shape" in kinds) == (None in sides)
    gate = np.clip(np.einsum("bc,oc->bo", X.mean((2, 3)), GATE[:, :, 0, 0]), 0, 6)
    expected = np.einsum(
        "bchw,oc->bohw", X * gate[:, :, None, None], MATRIX[:, :, 0, 0]
    )
    if bias:
        expected += BIAS[:, None, None]
    np.testing.assert_allclose(run(found, X), expected, atol=1e-5)
    np.testing.assert_allclose(run(model, X), expected, atol=1e-5)


def test_a_gate_that_is_no_gate_stays():
    model = gated(True)
    model.graph.node[0].op_type = "Relu"
    _, kinds = rewritten(model, lambda graph: gates_into_weights(graph, {}, (8, 8)))
    assert kinds == [node.op_type for node in model.graph.node]
