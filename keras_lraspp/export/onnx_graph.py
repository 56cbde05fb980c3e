"""An ONNX graph that can be searched and rewritten."""

from collections.abc import Sequence

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper


class Graph:
    """An ONNX graph whose nodes are few enough to be searched.

    Attributes:
        nodes: Its nodes, each after those that it needs.
    """

    def __init__(self, model: onnx.ModelProto):
        self.model = model
        self.nodes = list(model.graph.node)
        self._constants = {item.name: item for item in model.graph.initializer}

    def producer(self, name: str) -> NodeProto | None:
        """Returns the node that makes a tensor."""
        return next((node for node in self.nodes if name in node.output), None)

    def users(self, name: str) -> list[NodeProto]:
        """Returns the nodes that take a tensor."""
        return [node for node in self.nodes if name in node.input]

    def constant(self, name: str) -> np.ndarray | None:
        """Returns a constant tensor's value."""
        item = self._constants.get(name)
        return None if item is None else numpy_helper.to_array(item)

    def add_constant(self, value: np.ndarray, name: str) -> str:
        """Adds a constant tensor and returns its name."""
        self._constants[name] = numpy_helper.from_array(value, name)
        return name

    def replace(self, old: Sequence[NodeProto], new: Sequence[NodeProto]) -> None:
        """Puts nodes where the last of `old` was."""
        place = next(i for i, node in enumerate(self.nodes) if node is old[-1])
        gone = {id(node) for node in old}
        before = [node for node in self.nodes[:place] if id(node) not in gone]
        after = [node for node in self.nodes[place:] if id(node) not in gone]
        self.nodes = [*before, *new, *after]

    def remove(self, node: NodeProto) -> None:
        """Removes a node that passes its first input on."""
        given, made = node.input[0], node.output[0]
        if any(made == output.name for output in self.model.graph.output):
            return
        self.replace([node], [])
        self.rename(made, given)

    def rename(self, old: str, new: str) -> None:
        """Renames a tensor wherever it is made and taken."""
        for node in self.nodes:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    if name == old:
                        names[index] = new

    def finish(self) -> onnx.ModelProto:
        """Returns the model, in order and without what is not used any more."""
        graph = self.model.graph
        makers = {name: node for node in self.nodes for name in node.output}
        wanted, ordered = set(), []

        def add(name: str) -> None:
            if name in wanted:
                return
            wanted.add(name)
            node = makers.get(name)
            if node is None:
                return
            inner = [item for part in _inner_nodes(node) for item in part.input]
            for needed in (*node.input, *inner):
                add(needed)
            if node not in ordered:
                ordered.append(node)

        for output in graph.output:
            add(output.name)
        constants = [item for name, item in self._constants.items() if name in wanted]
        del graph.node[:], graph.initializer[:]
        graph.node.extend(ordered)
        graph.initializer.extend(constants)
        return self.model


def _inner_nodes(node: NodeProto) -> list[NodeProto]:
    """Returns the nodes of an If's branches."""
    graphs = [item.g for item in node.attribute if item.HasField("g")]
    return [inner for graph in graphs for inner in graph.node]
