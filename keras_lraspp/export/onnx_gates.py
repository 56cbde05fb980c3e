"""Squeeze-and-excite gates, multiplied into the weights instead of the maps.

A gate scales channels, and a 1x1 convolution follows: scaling the columns of its
matrix is the same, and touches a hundred times fewer numbers. ONNX Runtime would take
the map out of the layout of its convolutions for the multiplication, and put it back.
"""

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, helper

from keras_lraspp.export.onnx_graph import Graph
from keras_lraspp.export.onnx_maps import Map


def gates_into_weights(
    graph: Graph, maps: dict[str, Map], sides: Sequence[int | None]
) -> None:
    """Makes a matrix product of each Mul by a gate and the 1x1 Conv after it.

    Args:
        graph: The graph, changed in place. A gate is the Clip of a convolution of what
            GlobalAveragePool made.
        maps: Result of `feature_maps`.
        sides: Height and width of the image, `None` where it may have any.
    """
    for gated in [node for node in graph.nodes if node.op_type == "Mul"]:
        gates = [name for name in gated.input if _is_gate(graph, name)]
        users = graph.users(gated.output[0])
        if len(gates) != 1 or len(users) != 1 or users[0].op_type != "Conv":
            continue
        kernel = graph.constant(users[0].input[1])
        if kernel is None or kernel.shape[2:] != (1, 1):
            continue
        (x,) = [name for name in gated.input if name != gates[0]]
        stride = 2 ** maps[users[0].output[0]].halvings
        size = None if None in sides else [-(-side // stride) for side in sides]
        nodes = _product(graph, x, gates[0], users[0], kernel[:, :, 0, 0], size)
        graph.replace([gated, users[0]], nodes)


def _product(
    graph: Graph,
    x: str,
    gate: str,
    conv: NodeProto,
    matrix: np.ndarray,
    size: list[int] | None,
) -> list[NodeProto]:
    made = conv.output[0]
    filters, channels = matrix.shape

    def named(what: str) -> str:
        return f"{made}_{what}"

    def constant(value, what: str) -> str:
        return graph.add_constant(np.asarray(value), named(what))

    nodes = [
        # (B, 1, channels) times (filters, channels)
        helper.make_node(
            "Reshape", [gate, constant([0, 1, channels], "row")], [named("gate")]
        ),
        helper.make_node(
            "Mul", [named("gate"), constant(matrix, "matrix")], [named("weights")]
        ),
        helper.make_node(
            "Reshape", [x, constant([0, channels, -1], "flat")], [named("pixels")]
        ),
        helper.make_node(
            "MatMul", [named("weights"), named("pixels")], [named("product")]
        ),
    ]
    if size is not None:
        shape = constant([0, filters, *size], "shape")
    else:
        shape, sides = named("shape"), named("sides")
        start = constant([0, filters], "start")
        nodes += [
            helper.make_node("Shape", [x], [sides], start=2, end=4),
            helper.make_node("Concat", [start, sides], [shape], axis=0),
        ]
    nodes.append(helper.make_node("Reshape", [named("product"), shape], [made]))
    if len(conv.input) == 3:
        nodes[-1].output[0] = named("map")
        bias = graph.constant(conv.input[2]).reshape(1, -1, 1, 1)
        nodes.append(
            helper.make_node("Add", [named("map"), constant(bias, "bias")], [made])
        )
    return nodes


def _is_gate(graph: Graph, name: str) -> bool:
    node = graph.producer(name)
    if node is None or node.op_type != "Clip":
        return False
    while node is not None and node.op_type in ("Clip", "Conv", "Relu"):
        node = graph.producer(node.input[0])
    return node is not None and node.op_type == "GlobalAveragePool"
