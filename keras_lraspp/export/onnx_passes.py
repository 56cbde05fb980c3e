"""What tf2onnx leaves to do: rewritings of an ONNX graph that keep its function.

Each rule is a function of a `Graph` that changes it in place.
"""

import numpy as np
from onnx import helper

from keras_lraspp.export.onnx_graph import Graph


def fuse_hard_swish(graph: Graph) -> None:
    """Makes HardSwish of x * clip(x + 3, 0, 6) * (1 / 6), in any order of factors."""
    for clip in [node for node in graph.nodes if node.op_type == "Clip"]:
        shifted = graph.producer(clip.input[0])
        if shifted is None or shifted.op_type != "Add":
            continue
        x = next(name for name in shifted.input if graph.constant(name) is None)
        chain, gain, factors = [shifted, clip], 1.0, 0
        while True:
            users = graph.users(chain[-1].output[0])
            if len(users) != 1 or users[0].op_type != "Mul":
                break
            other = next(n for n in users[0].input if n not in chain[-1].output)
            value = graph.constant(other)
            if value is not None and value.size == 1:
                gain *= value.item()
            elif other == x and not factors:
                factors = 1
            else:
                break
            chain.append(users[0])
        bounds = [graph.constant(name) for name in clip.input[1:]]
        shift = [graph.constant(name) for name in shifted.input if name != x]
        numbers = [*shift, *bounds]
        if not factors or any(n is None or n.size != 1 for n in numbers):
            continue
        found = [*(number.item() for number in numbers), gain]
        if np.allclose(found, [3, 0, 6, 1 / 6]):
            swish = helper.make_node("HardSwish", [x], list(chain[-1].output))
            graph.replace(chain, [swish])


def drop_idle_reshapes(graph: Graph) -> None:
    """Removes Reshapes of a globally pooled map (B, C, 1, 1) to its own shape."""
    for node in [node for node in graph.nodes if node.op_type == "Reshape"]:
        shape, maker = graph.constant(node.input[1]), graph.producer(node.input[0])
        while maker is not None and maker.op_type in ("Relu", "Conv", "Clip"):
            maker = graph.producer(maker.input[0])
        pooled = maker is not None and maker.op_type == "GlobalAveragePool"
        if pooled and shape is not None and list(shape[2:]) == [1, 1]:
            graph.remove(node)


def reach_sizes(graph: Graph) -> None:
    """Raises broken factors of Resizes by two steps of float32.

    ONNX rounds the size down, and 13 times float32's 50/13 is less than 50.
    """
    for node in [node for node in graph.nodes if node.op_type == "Resize"]:
        factors = graph.constant(node.input[2]) if len(node.input) == 3 else None
        if factors is None or np.all(factors == np.round(factors)):
            continue
        above = np.nextafter(
            np.nextafter(factors, np.float32(np.inf)), np.float32(np.inf)
        )
        raised = np.where(factors == np.round(factors), factors, above)
        node.input[2] = graph.add_constant(raised, f"{node.input[2]}_raised")
