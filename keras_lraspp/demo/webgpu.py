"""ONNX files for WebGPU, whose bilinear resize takes height and width last only.

ONNX Runtime Web 1.30 on WebGPU resizes along the last two axes whatever the sizes say,
and raises no error. Exports have some resizes with the channels last, which are faster
on processors.
"""

from collections.abc import Iterator

import onnx
from onnx import helper, numpy_helper

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # the channels


def with_channels_first(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns a model whose resizes all have the channels before height and width.

    Args:
        model: As `export_onnx` writes it: the sizes of a resize with the channels last
            are those of one with the channels first, put into the other order.
    """
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    for graph in _graphs(changed.graph):
        makers = {output: node for node in graph.node for output in node.output}
        values = {tensor.name: tensor for tensor in graph.initializer}
        for node in [node for node in graph.node if node.op_type == "Resize"]:
            sizes = makers.get(node.input[-1])
            if sizes is None or sizes.op_type != "Gather":
                continue
            order = values.get(sizes.input[1])
            if order is None or [*numpy_helper.to_array(order)] != _TO_LAST:
                continue
            _turn(graph, node, sizes.input[0])
    return changed


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """Yields a graph and those of its branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from _graphs(attribute.g)


def _turn(graph: onnx.GraphProto, node: onnx.NodeProto, sizes: str) -> None:
    """Puts a resize between two transposes; `sizes` has the channels first."""
    (output,) = node.output
    before, after = f"{output}_first", f"{output}_resized"
    into = helper.make_node("Transpose", [node.input[0]], [before], perm=_TO_FIRST)
    back = helper.make_node("Transpose", [after], [output], perm=_TO_LAST)
    node.input[0], node.input[-1], node.output[0] = before, sizes, after
    place = next(i for i, other in enumerate(graph.node) if other == node)
    graph.node.insert(place, into)
    graph.node.insert(place + 2, back)
