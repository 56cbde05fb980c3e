"""A network's graph on PyTorch's CPU, without Keras's own code around each layer."""

from typing import Any

import keras

from keras_lraspp.layers import DepthwiseConv2D, HardSwish, ZeroPadding2D
from keras_lraspp.layers.convolutions import torch_padding
from keras_lraspp.models.graph_parts import CONVOLUTIONS, Part, fold_norm, run_parts


def is_for_torch_cpu(inputs, _: bool | None) -> bool:
    """Whether `inputs` is a tensor of PyTorch's CPU that is computed with now."""
    import torch

    if not isinstance(inputs, torch.Tensor) or inputs.device.type != "cpu":
        return False
    return not torch.compiler.is_compiling() and inputs.ndim == 4


def run_on_torch(model: keras.Model, parts: list[Part], inputs, training) -> Any:
    """Returns the outputs of a graph with one input, as Keras would."""
    import torch

    folds = not training and not torch.is_grad_enabled()
    return run_parts(model, parts, inputs, training, _convolve if folds else None)


def _convolve(part: Part, x) -> Any:
    """Convolves (B, H, W, C), with the part's padding, batch norm and activation."""
    import torch
    from torch.nn import functional

    pads = _padding_of(part, x)
    if pads is None:
        return None
    layer = part.find(*CONVOLUTIONS)
    depthwise = type(layer) is DepthwiseConv2D
    kernel, shift = fold_norm(part)
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


def _padding_of(part: Part, x) -> tuple[int, ...] | None:
    """Returns rows and columns on each side; `None` if sides differ."""
    layer, before = part.find(*CONVOLUTIONS), part.find(ZeroPadding2D)
    pads = torch_padding(layer, x)
    if before is None or pads is None:
        return pads
    equal = all(first == last for first, last in before.padding)
    usual = (layer.padding, before.data_format) == ("valid", "channels_last")
    return tuple(first for first, _ in before.padding) if equal and usual else None
