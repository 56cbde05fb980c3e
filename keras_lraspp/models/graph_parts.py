"""A network's graph in parts that are computed at once, past Keras's own code.

Keras has code of its own around each of some 200 calls, and keeps every tensor to the
end. Where no gradient is wanted, batch norms are multiplied into the kernels before
them. `torch_graph` and `tensorflow_graph` say where, and convolve.
"""

import inspect
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_lraspp.layers import (
    BatchNorm,
    Concatenate,
    Conv2D,
    DepthwiseConv2D,
    HardGate,
    HardSwish,
    ResizeLike,
    ScaleChannels,
    ZeroPadding2D,
)

CONVOLUTIONS = (Conv2D, DepthwiseConv2D)
ACTIVATIONS = (HardSwish, keras.layers.ReLU)
# Layers that Keras's own code around a call does nothing for, in float32.
_DIRECT = frozenset(
    (
        *CONVOLUTIONS,
        *ACTIVATIONS,
        BatchNorm,
        Concatenate,
        HardGate,
        ResizeLike,
        ScaleChannels,
        ZeroPadding2D,
        keras.layers.Activation,
        keras.layers.Add,
        keras.layers.GlobalAveragePooling2D,
        keras.layers.Multiply,
        keras.layers.SpatialDropout2D,
    )
)
_TAKING_MODE = frozenset(
    kind for kind in _DIRECT if "training" in inspect.signature(kind.call).parameters
)
_HOOKS = (  # PyTorch's
    "_forward_hooks",
    "_forward_pre_hooks",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Part(NamedTuple):
    """Nodes of a graph, and what need not be kept behind them.

    Of more than one node, the others are what is around a convolution, each the only
    user of the one before: a padding, a batch norm, an activation.
    """

    nodes: list[Any]
    done: list[int]  # ids of tensors

    def find(self, *kinds: type) -> Any:
        """Returns the layer of one of these types, if there is one."""
        layers = (node.operation for node in self.nodes)
        return next((layer for layer in layers if type(layer) in kinds), None)


def split_graph_in_parts(model: keras.Model) -> list[Part]:
    """Splits the graph of a functional model into what is computed at once."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    nodes = [node for depth in depths for node in model._nodes_by_depth[depth]]
    nodes = [node for node in nodes if not node.is_input]
    kept = {id(tensor) for tensor in model.outputs}
    users = Counter(id(tensor) for node in nodes for tensor in node.input_tensors)
    chains: dict[int, list] = {}  # by the output of their last node
    for node in nodes:
        given = id(node.input_tensors[0])
        chain = chains.get(given)
        only = users[given] == 1 and given not in kept
        if chain and only and _continues(chain[-1].operation, node.operation):
            chain = [*chains.pop(given), node]
        else:
            chain = [node]
        chains[id(node.outputs[0])] = chain
    places = {id(node): place for place, node in enumerate(nodes)}
    # What a chain takes is there at its first node, and is asked for behind its last.
    ordered = sorted(chains.values(), key=lambda chain: places[id(chain[0])])
    parts, later = [], set(kept)
    for chain in reversed(ordered):
        taken = {id(tensor) for node in chain for tensor in node.input_tensors}
        parts.append(Part(chain, [*(taken - later)]))
        later |= taken
    return parts[::-1]


def _continues(before, layer) -> bool:
    if type(layer) in CONVOLUTIONS:
        return type(before) is ZeroPadding2D
    if type(layer) is BatchNorm:
        return type(before) in CONVOLUTIONS
    return type(layer) in ACTIVATIONS and type(before) in (*CONVOLUTIONS, BatchNorm)


def run_parts(
    model: keras.Model,
    parts: list[Part],
    inputs,
    training: bool | None,
    convolve: Callable[[Part, Any], Any] | None = None,
) -> Any:
    """Returns the outputs of a graph with one input, as Keras would.

    Args:
        model: The functional model.
        parts: Of it, see `split_graph_in_parts`.
        inputs: Tensor (B, H, W, C).
        training: Mode of its layers.
        convolve: Computes a part around a convolution, with its batch norm multiplied
            in, of the tensor that it takes, or returns `None`; `None` to fold nothing.
    """
    values = {id(model.inputs[0]): inputs}
    for part in parts:
        outputs = None
        if convolve is not None and _can_fold(part):
            outputs = convolve(part, values[id(part.nodes[0].input_tensors[0])])
        if outputs is not None:
            values[id(part.nodes[-1].outputs[0])] = outputs
        else:
            for node in part.nodes:
                outputs = keras.tree.flatten(_call(node, values, training))
                values.update(zip(map(id, node.outputs), outputs, strict=True))
        for key in part.done:
            values.pop(key, None)  # not there within what was computed at once
    found = [values[id(tensor)] for tensor in model.outputs]
    return keras.tree.pack_sequence_as(model._outputs_struct, found)


def _call(node, values: dict[int, Any], training) -> Any:
    layer, arguments = node.operation, node.arguments
    if not _is_direct(layer):
        args, kwargs = arguments.fill_in(values)
        return layer(*args, **kwargs)

    def fill(given):  # a tensor, a list of tensors, or a setting
        if type(given) is list:
            return [values.get(id(each), each) for each in given]
        return values.get(id(given), given)

    kwargs = {name: fill(given) for name, given in arguments.kwargs.items()}
    if type(layer) in _TAKING_MODE:
        kwargs["training"] = training
    return layer.call(*map(fill, arguments.args), **kwargs)


def _is_direct(layer) -> bool:
    """Whether nobody asked for what Keras or PyTorch do around a call."""
    return (
        type(layer) in _DIRECT
        and layer.dtype_policy.name == "float32"
        and layer.activity_regularizer is None
        and not any(getattr(layer, name, None) for name in _HOOKS)
    )


def _can_fold(part: Part) -> bool:
    """Whether a part is one convolution and an activation, once its norm is folded."""
    layer, norm = part.find(*CONVOLUTIONS), part.find(BatchNorm)
    if layer is None or not all(_is_direct(node.operation) for node in part.nodes):
        return False
    if layer.activation is not keras.activations.linear:
        return False
    relu = part.find(keras.layers.ReLU)
    if relu and (relu.max_value is not None or relu.negative_slope or relu.threshold):
        return False
    if type(layer) is DepthwiseConv2D and layer.depth_multiplier != 1:
        return False
    return norm is None or (norm.scale and norm.center and norm.axis in (-1, 3))


def fold_norm(part: Part) -> tuple[Any, Any]:
    """Returns kernel and bias of a convolution, with the batch norm behind them."""
    layer, norm = part.find(*CONVOLUTIONS), part.find(BatchNorm)
    tensor = keras.ops.convert_to_tensor
    kernel = tensor(layer.kernel)
    bias = tensor(layer.bias) if layer.use_bias else None
    if norm is None:
        return kernel, bias
    variance, mean = tensor(norm.moving_variance), tensor(norm.moving_mean)
    scale = tensor(norm.gamma) * keras.ops.rsqrt(variance + norm.epsilon)
    mean = mean if bias is None else mean - bias
    by_row = type(layer) is DepthwiseConv2D
    kernel = kernel * (scale[:, None] if by_row else scale)
    return kernel, tensor(norm.beta) - mean * scale
