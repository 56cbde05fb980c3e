"""A fast way through the head for images of most sizes, beside the way for all.

ONNX Runtime resizes between convolutions four times as fast if the factor is a whole
number that the file says. In a file for images of any size the factor depends on the
image: 8 by 16 cells become 32 by 64 of an image of 256x512, but 31 by 63 of one of
243x501. So the head is in the file twice, once with whole factors, and an If chooses.
"""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

from keras_lraspp.export.onnx_graph import Graph
from keras_lraspp.export.onnx_layout import cancel_transposes, resize_channels_last
from keras_lraspp.export.onnx_maps import Map, size_notes


def branch_on_whole_factors(graph: Graph, maps: dict[str, Map]) -> None:
    """Splits what follows the first resize of a feature map into two branches.

    Nothing is done where no resized map is added to another one.

    Args:
        graph: The graph, changed in place.
        maps: Result of `feature_maps`.
    """
    resizes = [node for node in graph.nodes if _is_added(graph, node, maps)]
    if not resizes:
        return
    start = graph.producer(resizes[0].input[0])
    last = [node for node in graph.nodes if node.op_type == "Resize"][-1]
    end = graph.producer(last.input[0])
    _take_shape_after(graph, end)
    nodes = _between(graph, start, end)
    skips = [_partner(graph, node) for node in resizes]
    nodes = [node for node in graph.nodes if node in (*nodes, *skips)]
    small = start.input[0]
    factors = {
        skip.input[0]: 2 ** (maps[small].halvings - maps[skip.output[0]].halvings)
        for skip in skips
    }
    checks, condition = _all_whole(graph, small, factors)
    whole = _Branch(graph, nodes, "whole", maps)
    for node, copy in zip(nodes, whole.nodes, strict=True):
        if node in resizes:
            given, made = maps[node.input[0]], maps[node.output[0]]
            factor = 2 ** (given.halvings - made.halvings)
            scales = np.array([1, 1, factor, factor], "float32")
            del copy.input[1:]
            copy.input.extend(["", whole.add_constant(scales, f"scales_{factor}")])
    free = _Branch(graph, nodes, "free", maps)
    choice = helper.make_node(
        "If",
        [condition],
        [end.output[0]],
        then_branch=whole.finish(end.output[0], ()),
        else_branch=free.finish(end.output[0], (_turn_resizes, cancel_transposes)),
    )
    graph.replace(nodes, [*checks, choice])


def _turn_resizes(graph: Graph) -> None:
    resize_channels_last(graph, everywhere=True)


def _take_shape_after(graph: Graph, transpose: NodeProto) -> None:
    """Replaces the shape of what a Transpose takes by that of what it makes."""
    if transpose.op_type != "Transpose":
        return
    for node in graph.users(transpose.input[0]):
        if node.op_type == "Shape":
            shape = f"{node.output[0]}_turned"
            back = np.argsort(helper.get_node_attr_value(transpose, "perm"))
            order = graph.add_constant(back, f"{shape}_order")
            nodes = [
                helper.make_node("Shape", [transpose.output[0]], [shape]),
                helper.make_node("Gather", [shape, order], list(node.output)),
            ]
            graph.replace([node], [])
            graph.replace([transpose], [transpose, *nodes])


def _is_added(graph: Graph, node: NodeProto, maps: dict[str, Map]) -> bool:
    """Says whether a node resizes a feature map to add it to a convolution's."""
    if node.op_type != "Resize" or node.input[0] not in maps:
        return False
    partner = _partner(graph, node)
    return partner is not None and partner.op_type == "Conv"


def _partner(graph: Graph, node: NodeProto) -> NodeProto | None:
    """Returns what makes the map that a node's result is added to."""
    users = graph.users(node.output[0])
    if len(users) != 1 or users[0].op_type != "Add":
        return None
    (other,) = set(users[0].input) - set(node.output)
    return graph.producer(other)


def _between(graph: Graph, start: NodeProto, end: NodeProto) -> list[NodeProto]:
    """Returns the nodes on any way from `start` to `end`, with both."""
    found, reached = [], set(start.output)
    for node in graph.nodes:
        if node is start or reached.intersection(node.input):
            reached.update(node.output)
            found.append(node)
    needed, kept = set(end.output), []
    for node in reversed(found):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


def _all_whole(graph: Graph, small: str, factors: dict[str, int]):
    """Returns nodes that work out whether all sides are the factor times the small."""
    nodes = [helper.make_node("Shape", [small], ["head_sides"], start=2, end=4)]
    gaps = []
    for index, (name, factor) in enumerate(factors.items()):
        times = graph.add_constant(np.array([factor]), f"head_factor_{index}")
        wanted, sides, gap = (f"head_{key}_{index}" for key in ("wanted", "has", "gap"))
        nodes += [
            helper.make_node("Mul", ["head_sides", times], [wanted]),
            helper.make_node("Shape", [name], [sides], start=2, end=4),
            helper.make_node("Sub", [sides, wanted], [gap]),
        ]
        gaps.append(gap)
    zero = graph.add_constant(np.array(0), "head_zero")
    nodes += [
        helper.make_node("Concat", gaps, ["head_gaps"], axis=0),
        helper.make_node("Abs", ["head_gaps"], ["head_distances"]),
        helper.make_node("ReduceMax", ["head_distances"], ["head_gap"], keepdims=0),
        helper.make_node("Equal", ["head_gap", zero], ["head_is_whole"]),
    ]
    return nodes, "head_is_whole"


class _Branch:
    """A copy of some nodes with names and constants of its own."""

    def __init__(
        self, graph: Graph, nodes: Sequence[NodeProto], name: str, maps: dict[str, Map]
    ):
        self._name = name
        made = {output for node in nodes for output in node.output}
        self._names = {output: f"{output}_{name}" for output in made}
        self._constants, self.nodes = [], []
        for node in nodes:
            for given in node.input:
                value = graph.constant(given)
                if value is not None and given not in self._names:
                    self._names[given] = self.add_constant(value, given)
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            copy.name = f"{node.name}_{name}"
            for values in (copy.input, copy.output):
                renamed = [self._names.get(value, value) for value in values]
                del values[:]
                values.extend(renamed)
            self.nodes.append(copy)
        own = {old: new for old, new in self._names.items() if old in maps}
        self._maps = {new: maps[old] for old, new in own.items()}

    def add_constant(self, value: np.ndarray, name: str) -> str:
        """Adds a constant and returns its name in the branch."""
        self._constants.append(numpy_helper.from_array(value, f"{name}_{self._name}"))
        return self._constants[-1].name

    def finish(self, output: str, rules) -> onnx.GraphProto:
        """Returns the branch, whose result is `output` of the nodes copied."""
        result = helper.make_tensor_value_info(
            self._names[output], onnx.TensorProto.FLOAT, [None] * 4
        )
        proto = helper.make_graph(self.nodes, self._name, [], [result], self._constants)
        graph = Graph(helper.make_model(proto))
        for rule in rules:
            rule(graph)
        finished = graph.finish().graph
        finished.value_info.extend(size_notes(self._maps, (None, None)))
        return finished
