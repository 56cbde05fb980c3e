"""A network's graph on PyTorch's CPU, without Keras's own code around each layer.

Keras has code of its own around each of some 200 calls, and keeps every tensor to the
end. Where no gradient is wanted, batch norms are multiplied into the kernels before
them.
"""

import inspect
from collections import Counter
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
from keras_lraspp.layers.convolutions import torch_padding

_CONVOLUTIONS = (Conv2D, DepthwiseConv2D)
_ACTIVATIONS = (HardSwish, keras.layers.ReLU)
# Layers that Keras's own code around a call does nothing for, in float32.
_DIRECT = frozenset(
    (
        *_CONVOLUTIONS,
        *_ACTIVATIONS,
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
_HOOKS = (
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
    if type(layer) in _CONVOLUTIONS:
        return type(before) is ZeroPadding2D
    if type(layer) is BatchNorm:
        return type(before) in _CONVOLUTIONS
    return type(layer) in _ACTIVATIONS and type(before) in (*_CONVOLUTIONS, BatchNorm)


def is_for_torch_cpu(inputs) -> bool:
    """Whether `inputs` is a tensor of PyTorch's CPU that is computed with now."""
    import torch

    if not isinstance(inputs, torch.Tensor) or inputs.device.type != "cpu":
        return False
    return not torch.compiler.is_compiling() and inputs.ndim == 4


def run_parts(model: keras.Model, parts: list[Part], inputs, training) -> Any:
    """Returns the outputs of a graph with one input, as Keras would."""
    import torch

    values = {id(model.inputs[0]): inputs}
    folds = not training and not torch.is_grad_enabled()
    for part in parts:
        source = values[id(part.nodes[0].input_tensors[0])]
        pads = _padding_of(part, source) if folds and _can_fold(part) else None
        if pads is not None:
            values[id(part.nodes[-1].outputs[0])] = _convolve(part, source, pads)
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
        and not any(getattr(layer, name) for name in _HOOKS)
    )


def _can_fold(part: Part) -> bool:
    """Whether a part is one convolution for PyTorch."""
    layer, norm = part.find(*_CONVOLUTIONS), part.find(BatchNorm)
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


def _padding_of(part: Part, x) -> tuple[int, ...] | None:
    """Returns rows and columns on each side; `None` if sides differ."""
    layer, before = part.find(*_CONVOLUTIONS), part.find(ZeroPadding2D)
    pads = torch_padding(layer, x)
    if before is None or pads is None:
        return pads
    equal = all(first == last for first, last in before.padding)
    usual = (layer.padding, before.data_format) == ("valid", "channels_last")
    return tuple(first for first, _ in before.padding) if equal and usual else None


def _convolve(part: Part, x, pads: tuple[int, ...]) -> Any:
    """Convolves (B, H, W, C), with the part's padding, batch norm and activation."""
    import torch
    from torch.nn import functional

    layer = part.find(*_CONVOLUTIONS)
    depthwise = type(layer) is DepthwiseConv2D
    kernel, shift = _folded(layer, part.find(BatchNorm), depthwise)
    plain = layer.kernel_size == layer.strides == (1, 1) and pads == (0, 0)
    if plain and not depthwise and layer.groups == 1:
        flat = x.reshape(-1, x.shape[-1])
        kernel = kernel[0, 0]
        product = flat @ kernel if shift is None else torch.addmm(shift, flat, kernel)
        outputs = product.view(*x.shape[:-1], -1)
    else:
        axes = (2, 3, 0, 1) if depthwise else (3, 2, 0, 1)
        outputs = functional.conv2d(
            x.permute(0, 3, 1, 2),
            kernel.permute(axes),
            shift,
            layer.strides,
            pads,
            layer.dilation_rate,
            x.shape[-1] if depthwise else layer.groups,
        ).permute(0, 2, 3, 1)
    if part.find(HardSwish):
        return functional.hardswish(outputs, inplace=True)
    return functional.relu_(outputs) if part.find(keras.layers.ReLU) else outputs


def _folded(layer, norm, depthwise: bool) -> tuple[Any, Any]:
    """Returns kernel and bias, with the batch norm behind them."""
    tensor = keras.ops.convert_to_tensor
    kernel = tensor(layer.kernel)
    bias = tensor(layer.bias) if layer.use_bias else None
    if norm is None:
        return kernel, bias
    variance, mean = tensor(norm.moving_variance), tensor(norm.moving_mean)
    scale = tensor(norm.gamma) * (variance + norm.epsilon).rsqrt()
    mean = mean if bias is None else mean - bias
    kernel = kernel * (scale[:, None] if depthwise else scale)
    return kernel, tensor(norm.beta) - mean * scale
