"""Where an ONNX graph has its channels: first or last."""

import numpy as np
from onnx import NodeProto, helper

from keras_lraspp.export.onnx_graph import Graph

_TO_LAST, _TO_FIRST = [0, 2, 3, 1], [0, 3, 1, 2]  # the channels
_LAST = "_last"  # ends the name of a tensor that was turned around


def resize_channels_last(graph: Graph, everywhere: bool) -> None:
    """Turns bilinear Resizes around: channels last, which ONNX Runtime does faster.

    With channels first it is as fast for whole, constant factors while its neighbours
    are convolutions.

    Args:
        graph: The graph.
        everywhere: Whether to turn all, else only those that no convolution follows.
    """
    for node in [node for node in graph.nodes if node.op_type == "Resize"]:
        given, made = node.input[0], node.output[0]
        turned_already = given.endswith(_LAST)
        if turned_already or (not everywhere and _leads_to_conv(graph, made)):
            continue
        sizes, nodes = _turned_sizes(graph, node)
        to_last = helper.make_node("Transpose", [given], [given + _LAST], perm=_TO_LAST)
        resize = helper.make_node(
            "Resize",
            [given + _LAST, "", *sizes],
            [made + _LAST],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        to_first = helper.make_node("Transpose", [made + _LAST], [made], perm=_TO_FIRST)
        graph.replace([node], [to_last, *nodes, resize, to_first])


def _turned_sizes(graph: Graph, node: NodeProto):
    """Returns the inputs (scales[, sizes]) of the turned node, and nodes for them."""
    wanted = node.input[-1]
    value, turned = graph.constant(wanted), f"{node.name or node.output[0]}_turned"
    if value is not None:
        graph.add_constant(value[_TO_LAST], turned)
        return ([turned] if len(node.input) == 3 else ["", turned]), []
    order = graph.add_constant(np.array(_TO_LAST), f"{turned}_order")
    gather = helper.make_node("Gather", [wanted, order], [turned], axis=0)
    return ["", turned], [gather]


def _leads_to_conv(graph: Graph, name: str) -> bool:
    for user in graph.users(name):
        if user.op_type == "Conv" or _leads_to_conv(graph, user.output[0]):
            return True
    return False


def scores_channels_last(graph: Graph) -> None:
    """Lets ArgMax and Softmax over channels work where these are last already."""
    for node in [node for node in graph.nodes if node.op_type in ("ArgMax", "Softmax")]:
        before = graph.producer(node.input[0])
        axis = next((item for item in node.attribute if item.name == "axis"), None)
        turned = before is not None and _perm(before) == _TO_FIRST
        if turned and axis is not None and axis.i == 1:
            axis.i = 3
            node.input[0] = before.input[0]
            if node.op_type == "Softmax":
                made = node.output[0]
                node.output[0] = made + _LAST
                back = helper.make_node(
                    "Transpose", [made + _LAST], [made], perm=_TO_FIRST
                )
                graph.replace([node], [node, back])


def cancel_transposes(graph: Graph) -> None:
    """Removes pairs of Transposes that undo each other."""
    for node in [node for node in graph.nodes if node.op_type == "Transpose"]:
        before = graph.producer(node.input[0])
        if before is None or before.op_type != "Transpose":
            continue
        if [_perm(before)[place] for place in _perm(node)] != [0, 1, 2, 3]:
            continue
        made = node.output[0]
        if all(made != output.name for output in graph.model.graph.output):
            node.input[0] = before.input[0]
            graph.remove(node)
            continue
        graph.replace([node], [])
        graph.rename(before.input[0], made)


def _perm(node: NodeProto) -> list[int]:
    if node.op_type != "Transpose":
        return []
    return list(helper.get_node_attr_value(node, "perm"))
