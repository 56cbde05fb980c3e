"""Sizes of the feature maps of an ONNX graph, which ONNX itself cannot infer."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import onnx
from onnx import NodeProto, helper

from keras_lraspp.export.onnx_graph import Graph

_SAME_SIZE = ("Relu", "Clip", "HardSwish", "Add", "Mul")


class Map(NamedTuple):
    """Size of a feature map: the image's, divided by 2 `halvings` times."""

    channels: int
    halvings: int


def feature_maps(graph: Graph) -> dict[str, Map]:
    """Returns the sizes of feature maps by name of the tensor.

    Args:
        graph: The maps of its convolutions are (B, C, H, W), and all are padded so
            that only a stride changes the size.
    """
    maps: dict[str, Map] = {}
    for node in graph.nodes:
        size = _map_of(graph, node, maps)
        if size is None:
            continue
        maps[node.output[0]] = size
        if node.op_type == "Add":  # a shortcut, or a resized map
            maps.update({name: size for name in node.input})
    return maps


def _map_of(graph: Graph, node: NodeProto, maps: dict[str, Map]) -> Map | None:
    given = [maps[name] for name in node.input if name in maps]
    if node.op_type in _SAME_SIZE and given:
        return given[0]
    if node.op_type != "Conv":
        return None
    kernel, before = graph.constant(node.input[1]), graph.producer(node.input[0])
    if before is not None and before.op_type == "Transpose" and not given:
        given = [Map(3, 0)]  # the image
    if not given:
        return None
    stride = helper.get_node_attr_value(node, "strides")[0]
    return Map(len(kernel), given[0].halvings + round(math.log2(stride)))


def size_notes(
    maps: dict[str, Map], sides: Sequence[int | None]
) -> list[onnx.ValueInfoProto]:
    """Notes sizes of feature maps: numbers, or symbols such as `height/8`.

    ONNX cannot infer that two convolutions of the same image have the same size
    where the image may have any. ONNX Runtime must know it to add a shortcut inside a
    convolution.

    Args:
        maps: Result of `feature_maps`.
        sides: Height and width of the image, `None` where it may have any.
    """
    notes = []
    for name, size in maps.items():
        stride = 2**size.halvings
        symbols = (f"height/{stride}", f"width/{stride}")
        pairs = zip(sides, symbols, strict=True)
        known = [-(-side // stride) if side else symbol for side, symbol in pairs]
        dims = ["batch", size.channels, *known]
        notes.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims))
    return notes
