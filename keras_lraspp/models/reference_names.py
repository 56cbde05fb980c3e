"""Which tensor of the reference's state dict belongs to which variable of ours.

The reference is PaddleSeg's LRASPP. Its convolutions are stored as (out, in / groups,
height, width).
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np

# Our layer (in the backbone with its block number taken out) -> the reference's.
_BACKBONE = {
    "stem_conv": "conv.conv",
    "stem_bn": "conv.bn",
    "expand_conv": "expand_conv.conv",
    "expand_bn": "expand_conv.bn",
    "depthwise_conv": "bottleneck_conv.conv",
    "depthwise_bn": "bottleneck_conv.bn",
    "se_squeeze": "mid_se.conv1",
    "se_expand": "mid_se.conv2",
    "project_conv": "linear_conv.conv",
    "project_bn": "linear_conv.bn",
}
_HEAD = {
    "head_value_conv": "conv_v._conv",
    "head_value_bn": "conv_v._batch_norm",
    "head_gate_conv": "conv_w.1",
    "head_mix_conv": "conv_t",
    "head_skip_8_conv": "convs.0",
    "head_fuse_8_conv": "conv_ups.0._conv",
    "head_fuse_8_bn": "conv_ups.0._batch_norm",
    "head_skip_4_conv": "convs.1",
    "head_fuse_4_conv": "conv_ups.1._conv",
    "head_fuse_4_bn": "conv_ups.1._batch_norm",
    "head_classes_conv": "conv_out",
}
_BATCH_NORM = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "_mean",
    "moving_variance": "_variance",
}
_CONV_AXES = (2, 3, 1, 0)  # to (height, width, in, out)
_DEPTHWISE_AXES = (2, 3, 0, 1)  # to (height, width, channels, 1)


class ReferenceTensor(NamedTuple):
    """One variable of ours and where the reference keeps its value."""

    variable: keras.Variable
    name: str
    axes: tuple[int, ...] | None = None  # transposition from the reference's layout
    minus: str | None = None  # a tensor to subtract: a bias folded into the mean

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape in the reference."""
        ours = tuple(self.variable.shape)
        if self.axes is None:
            return ours
        return tuple(ours[self.axes.index(axis)] for axis in range(len(self.axes)))

    def value(self, tensors) -> np.ndarray:
        """Returns the variable's value from the reference's tensors by name."""
        value = np.asarray(tensors[self.name])
        if self.axes is not None and value.ndim == len(self.axes):
            value = value.transpose(self.axes)
        if self.minus in tensors:
            value = value - tensors[self.minus]
        return value


def reference_tensors(model: keras.Model) -> Iterator[ReferenceTensor]:
    """Yields every variable of a model with the reference's name for it.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.

    Yields:
        One row per variable, in the model's order.
    """
    backbone = getattr(model, "backbone", model)
    for layer in backbone.layers:
        yield from _layer_tensors(layer, _backbone_name(layer.name))
    if backbone is model:
        return
    for layer in model.layers:
        if layer.name in _HEAD:
            yield from _layer_tensors(layer, f"lraspp_head.{_HEAD[layer.name]}")


def canonical_name(name: str) -> str:
    """Returns today's name of a tensor in a whole network's state dict.

    A backbone's own checkpoint has no prefix, and PaddleSeg once counted a stem and
    blocks as conv1, conv2, ..., which are now conv, blocks.0, ...

    Args:
        name: As in a file, e.g. `"conv2.linear_conv.bn.weight"`.

    Returns:
        E.g. `"backbone.blocks.0.linear_conv.bn.weight"`; a name that is none of the
        network's as it was.
    """
    found = re.fullmatch(r"(?:backbone\.)?(?:conv(\d{0,2})|(blocks\.\d+))\.(.+)", name)
    if found is None:
        return name
    number, block, rest = found.groups()
    if block is None:
        block = "conv" if number in ("", "1") else f"blocks.{int(number) - 2}"
    return f"backbone.{block}.{rest}"


def _backbone_name(layer_name: str) -> str:
    block, part = re.fullmatch(r"(?:block_(\d+)_)?(.*)", layer_name).groups()
    prefix = "backbone." if block is None else f"backbone.blocks.{block}."
    return prefix + _BACKBONE.get(part, part)


def _layer_tensors(layer, name: str) -> Iterator[ReferenceTensor]:
    if isinstance(layer, keras.layers.BatchNormalization):
        # The head's convolutions before a batch norm have a bias in the reference.
        folded = name.replace("._batch_norm", "._conv.bias")
        for ours, theirs in _BATCH_NORM.items():
            minus = folded if ours == "moving_mean" and folded != name else None
            yield ReferenceTensor(getattr(layer, ours), f"{name}.{theirs}", minus=minus)
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        yield ReferenceTensor(layer.kernel, f"{name}.weight", _DEPTHWISE_AXES)
    elif isinstance(layer, keras.layers.Conv2D):
        yield ReferenceTensor(layer.kernel, f"{name}.weight", _CONV_AXES)
        if layer.use_bias:
            yield ReferenceTensor(layer.bias, f"{name}.bias")
