"""Small graphs rewritten for ONNX Runtime, which judges them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from harness.onnx_graphs import graph_of, rewritten, run

BATCH, CHANNELS, FILTERS, HEIGHT, WIDTH = 3, 4, 5, 6, 7
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(FILTERS, CHANNELS, 1, 1)).astype("float32")
GATE = RNG.normal(size=(CHANNELS, CHANNELS, 1, 1)).astype("float32")
BIAS = RNG.normal(size=FILTERS).astype("float32")
X = RNG.normal(size=(BATCH, HEIGHT, WIDTH, CHANNELS)).astype("float32")


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
    found, kinds = rewritten(model)
    assert kinds == ["HardSwish"]
    np.testing.assert_allclose(run(found, x), run(model, x), atol=1e-6)


@pytest.mark.parametrize("changed", [{"factor": 0.2}, {"top": 5.0}])
def test_what_is_no_hard_swish_stays(changed):
    _, kinds = rewritten(hard_swish("x first", **changed))
    assert kinds == ["Add", "Clip", "Mul", "Mul"]


def gated(bias: bool, pool: str = "GlobalAveragePool", idle=()):
    """`idle` are nodes that turn the pooled map around, kinds and axes or shapes."""
    turned, constants = [], {}
    for i, (kind, value) in enumerate(idle):
        given, made = f"p{i}", "gap" if i == len(idle) - 1 else f"p{i + 1}"
        if kind == "Transpose":
            turned.append(helper.make_node(kind, [given], [made], perm=value))
        else:
            constants[f"shape{i}"] = np.array(value)
            turned.append(helper.make_node(kind, [given, f"shape{i}"], [made]))
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "eye"], ["map"], strides=[2, 2]),
        helper.make_node(pool, ["map"], ["p0" if idle else "gap"]),
        *turned,
        helper.make_node("Conv", ["gap", "gate"], ["g"], strides=[1, 1]),
        helper.make_node("Clip", ["g", "low", "high"], ["clipped"]),
        helper.make_node("Mul", ["map", "clipped"], ["m"]),
        helper.make_node(
            "Conv", ["m", "matrix", *(["bias"] * bias)], ["y"], strides=[1, 1]
        ),
    ]
    eye = np.eye(CHANNELS, dtype="float32")[:, :, None, None]
    constants |= {"eye": eye, "gate": GATE, "matrix": MATRIX, "bias": BIAS}
    constants |= {"low": np.float32(0), "high": np.float32(6)}
    return graph_of(nodes, [None, None, None, CHANNELS], **constants)


@pytest.mark.parametrize("sides", [(None, None), (HEIGHT, WIDTH)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_gate_scales_the_weights(bias, sides):
    model = gated(bias)
    found, kinds = rewritten(model, sides)
    assert kinds.count("Conv") == 2 and kinds.count("MatMul") == 1
    assert ("Shape" in kinds) == (None in sides)
    x = X[:, ::2, ::2]
    gate = np.clip(np.einsum("bc,oc->bo", x.mean((1, 2)), GATE[:, :, 0, 0]), 0, 6)
    expected = np.einsum("bhwc,oc->bohw", x * gate[:, None, None], MATRIX[:, :, 0, 0])
    if bias:
        expected += BIAS[:, None, None]
    np.testing.assert_allclose(run(found, X), expected, atol=1e-5)
    np.testing.assert_allclose(run(model, X), expected, atol=1e-5)


ROW, TURNED = [-1, CHANNELS, 1, 1], [-1, 1, 1, CHANNELS]
TO_LAST, TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]


@pytest.mark.parametrize(
    "idle",
    [
        [("Reshape", ROW)],
        [("Transpose", TO_LAST), ("Reshape", ROW)],
        [("Reshape", TURNED), ("Transpose", TO_FIRST)],
        [("Transpose", TO_LAST), ("Transpose", TO_FIRST), ("Reshape", ROW)],
    ],
)
def test_a_gate_is_found_behind_what_tf2onnx_leaves(idle):
    model = gated(True, idle=idle)
    found, kinds = rewritten(model, (HEIGHT, WIDTH))
    _, plain = rewritten(gated(True), (HEIGHT, WIDTH))
    assert kinds == plain and kinds.count("MatMul") == 1
    np.testing.assert_allclose(run(found, X), run(model, X), atol=1e-5)


def test_a_gate_that_is_no_gate_stays():
    model = gated(True, pool="Relu")
    _, kinds = rewritten(model)
    assert kinds == [node.op_type for node in model.graph.node]


def test_the_last_resize_has_its_channels_last():
    nodes = [
        helper.make_node("Resize", ["x", "", "scales"], ["r"], mode="linear"),
        helper.make_node("ArgMax", ["r"], ["y"], axis=1, keepdims=0),
    ]
    scales = np.array([1, 1, 4, 3], "float32")
    kind = TensorProto.INT64
    model = graph_of(nodes, [1, 3, 4, 5], rank=3, kind=kind, scales=scales)
    found, kinds = rewritten(model)
    assert kinds == ["Transpose", "Resize", "ArgMax"]
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype("float32")
    np.testing.assert_array_equal(run(found, x), run(model, x))


@pytest.mark.parametrize("mode", ["half_pixel", "align_corners"])
def test_a_turned_resize_keeps_its_coordinates(mode):
    how = {"mode": "linear", "coordinate_transformation_mode": mode}
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], **how)]
    model = graph_of(nodes, [1, 3, 4, 5], scales=np.array([1, 1, 3, 2], "float32"))
    found, kinds = rewritten(model)
    assert kinds == ["Transpose", "Resize", "Transpose"]
    x = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype("float32")
    np.testing.assert_allclose(run(found, x), run(model, x), atol=1e-6)


@pytest.mark.parametrize("means", [1, 3])
def test_means_of_channels_are_subtracted_where_those_are_first(means):
    nodes = [
        helper.make_node("Sub", ["x", "means"], ["s"]),
        helper.make_node("Transpose", ["s"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Relu", ["t"], ["y"]),
    ]
    values = np.linspace(-1, 1, 3, dtype="float32")[None, None, None, :means]
    found, kinds = rewritten(graph_of(nodes, [1, 4, 5, 3], means=values))
    first, second = ("Sub", "Transpose") if means == 1 else ("Transpose", "Sub")
    assert kinds == [first, second, "Relu"]
    x = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype("float32")
    expected = np.moveaxis(np.maximum(x - values, 0), -1, 1)
    np.testing.assert_allclose(run(found, x), expected, atol=1e-6)


def test_transposes_of_an_output_cancel():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        helper.make_node("Transpose", ["b"], ["y"], perm=[0, 2, 3, 1]),
    ]
    model = graph_of(nodes, [1, 2, 3, 4])
    found, kinds = rewritten(model)
    assert kinds == ["Relu"]
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(run(found, x), np.maximum(x, 0))


def test_a_reshape_that_does_something_stays():
    nodes = [
        helper.make_node("Relu", ["x"], ["a"]),
        helper.make_node("Reshape", ["a", "sides"], ["y"]),
    ]
    model = graph_of(nodes, [1, 2, 3, 4], sides=np.array([1, 24, 1, 1]))
    _, kinds = rewritten(model)
    assert kinds == ["Relu", "Reshape"]


@pytest.mark.parametrize("wanted", [50, 51, 64, 97, 100])
@pytest.mark.parametrize("given", [7, 13, 25, 26])
def test_a_resize_has_the_size_that_is_meant(given, wanted):
    factor = np.float32(wanted / given)
    nodes = [helper.make_node("Resize", ["x", "", "scales"], ["y"], mode="linear")]
    scales = np.array([1, 1, 1, factor], "float32")
    found, _ = rewritten(graph_of(nodes, [1, 1, 1, given], scales=scales))
    x = np.arange(given, dtype="float32")[None, None, None]
    made = run(found, x)
    assert made.shape == (1, 1, 1, wanted)
    places = (np.arange(wanted) + 0.5) * given / wanted - 0.5
    expected = places.clip(0, given - 1)
    np.testing.assert_allclose(made[0, 0, 0], expected, atol=2e-5)
