"""Names of tensors in the state dicts of other people's LR-ASPPs, by family.

One row a family of networks: how PaddleSeg, torchvision, fastseg, mmsegmentation and
Keras's applications call what is called `block_3_project_conv` here.
"""

import functools
import itertools
import re
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.models.mobilenet_v3 import BLOCKS

# Layers whose channels out are the classes.
CLASS_LAYERS = ("head_classes_conv", "head_skip_classes_conv")

_KERAS = ("gamma", "beta", "moving_mean", "moving_variance")
_PADDLE = ("weight", "bias", "_mean", "_variance")
_TORCH = ("weight", "bias", "running_mean", "running_var")
_CONV_AXES = (2, 3, 1, 0)  # to (height, width, in, out)
_DEPTHWISE_AXES = (2, 3, 0, 1)  # to (height, width, channels, 1)


class PeerNames(NamedTuple):
    """How one code base calls our layers.

    Templates are of our layers, in blocks without `block_{i}_`. They are filled with:
    `block`, the index of the block; `layer`, that plus one, for those who count the
    stem; `stage` and `place`, counted over blocks of as many channels out; `part`, the
    index among what a block has of expand, depthwise, squeeze-excite and project;
    `norm`, from 1, that among its batch norms; `l`, "l" in a block that expands; and
    `_block`, nothing for the first and `_{block}` for the others.
    """

    layers: dict[str, str]
    vectors: tuple[str, str, str, str]  # of a batch norm
    backbone: str  # a pattern that names of the backbone's tensors begin with
    head: str  # another, of the head's
    otherwise: tuple[str, str] = ("^(?!)", "")  # another beginning, and what it means
    is_keras: bool = False  # tensors are named and laid out as in Keras


_OURS_HEAD = (
    "head_value_conv",
    "head_value_bn",
    "head_gate_conv",
    "head_mix_conv",
    "head_skip_4_conv",
    "head_fuse_4_conv",
    "head_fuse_4_bn",
    "head_skip_2_conv",
    "head_fuse_2_conv",
    "head_fuse_2_bn",
    "head_classes_conv",
)

NAMES = {
    "paddleseg": PeerNames(
        layers={
            "stem_conv": "backbone.conv.conv",
            "stem_bn": "backbone.conv.bn",
            "expand_conv": "backbone.blocks.{block}.expand_conv.conv",
            "expand_bn": "backbone.blocks.{block}.expand_conv.bn",
            "depthwise_conv": "backbone.blocks.{block}.bottleneck_conv.conv",
            "depthwise_bn": "backbone.blocks.{block}.bottleneck_conv.bn",
            "se_squeeze": "backbone.blocks.{block}.mid_se.conv1",
            "se_expand": "backbone.blocks.{block}.mid_se.conv2",
            "project_conv": "backbone.blocks.{block}.linear_conv.conv",
            "project_bn": "backbone.blocks.{block}.linear_conv.bn",
            "head_value_conv": "lraspp_head.conv_v._conv",
            "head_value_bn": "lraspp_head.conv_v._batch_norm",
            "head_gate_conv": "lraspp_head.conv_w.1",
            "head_mix_conv": "lraspp_head.conv_t",
            "head_skip_8_conv": "lraspp_head.convs.0",
            "head_fuse_8_conv": "lraspp_head.conv_ups.0._conv",
            "head_fuse_8_bn": "lraspp_head.conv_ups.0._batch_norm",
            "head_skip_4_conv": "lraspp_head.convs.1",
            "head_fuse_4_conv": "lraspp_head.conv_ups.1._conv",
            "head_fuse_4_bn": "lraspp_head.conv_ups.1._batch_norm",
            "head_classes_conv": "lraspp_head.conv_out",
        },
        vectors=_PADDLE,
        backbone=r"backbone\.(conv|blocks)\.",
        head=r"lraspp_head\.",
        otherwise=(r"^(?=(conv|blocks\.-?\d+)\.)", "backbone."),
    ),
    "torchvision": PeerNames(
        layers={
            "stem_conv": "backbone.0.0",
            "stem_bn": "backbone.0.1",
            "expand_conv": "backbone.{layer}.block.{part}.0",
            "expand_bn": "backbone.{layer}.block.{part}.1",
            "depthwise_conv": "backbone.{layer}.block.{part}.0",
            "depthwise_bn": "backbone.{layer}.block.{part}.1",
            "se_squeeze": "backbone.{layer}.block.{part}.fc1",
            "se_expand": "backbone.{layer}.block.{part}.fc2",
            "project_conv": "backbone.{layer}.block.{part}.0",
            "project_bn": "backbone.{layer}.block.{part}.1",
            "last_conv": "backbone.{layer}.0",
            "last_bn": "backbone.{layer}.1",
            "head_value_conv": "classifier.cbr.0",
            "head_value_bn": "classifier.cbr.1",
            "head_gate_conv": "classifier.scale.1",
            "head_skip_classes_conv": "classifier.low_classifier",
            "head_classes_conv": "classifier.high_classifier",
        },
        vectors=_TORCH,
        backbone=r"backbone\.\d+\.",
        head=r"classifier\.(cbr|scale|low_classifier|high_classifier)\.",
        otherwise=(r"^features\.(?=\d+\.)", "backbone."),
    ),
    "fastseg": PeerNames(
        layers={
            "stem_conv": "trunk.early.0",
            "stem_bn": "trunk.early.1",
            "expand_conv": "trunk.block{stage}.{place}.conv_pw",
            "expand_bn": "trunk.block{stage}.{place}.bn{norm}",
            "depthwise_conv": "trunk.block{stage}.{place}.conv_dw",
            "depthwise_bn": "trunk.block{stage}.{place}.bn{norm}",
            "se_squeeze": "trunk.block{stage}.{place}.se.conv_reduce",
            "se_expand": "trunk.block{stage}.{place}.se.conv_expand",
            "project_conv": "trunk.block{stage}.{place}.conv_pw{l}",
            "project_bn": "trunk.block{stage}.{place}.bn{norm}",
            "last_conv": "trunk.block{stage}.{place}.conv",
            "last_bn": "trunk.block{stage}.{place}.bn1",
            "head_value_conv": "aspp_conv1.0",
            "head_value_bn": "aspp_conv1.1",
            "head_gate_conv": "aspp_conv2.1",
            "head_mix_conv": "conv_up1",
            "head_skip_4_conv": "convs4",
            "head_fuse_4_conv": "conv_up2.conv",
            "head_fuse_4_bn": "conv_up2.bn",
            "head_skip_2_conv": "convs2",
            "head_fuse_2_conv": "conv_up3.conv",
            "head_fuse_2_bn": "conv_up3.bn",
            "head_classes_conv": "last",
        },
        vectors=_TORCH,
        backbone=r"trunk\.",
        head=r"(aspp_\w+|convs[24]|conv_up[123]|last)\.",
    ),
    "mmseg": PeerNames(
        layers={
            "stem_conv": "backbone.layer0.conv",
            "stem_bn": "backbone.layer0.bn",
            "expand_conv": "backbone.layer{layer}.expand_conv.conv",
            "expand_bn": "backbone.layer{layer}.expand_conv.bn",
            "depthwise_conv": "backbone.layer{layer}.depthwise_conv.conv",
            "depthwise_bn": "backbone.layer{layer}.depthwise_conv.bn",
            "se_squeeze": "backbone.layer{layer}.se.conv1.conv",
            "se_expand": "backbone.layer{layer}.se.conv2.conv",
            "project_conv": "backbone.layer{layer}.linear_conv.conv",
            "project_bn": "backbone.layer{layer}.linear_conv.bn",
            "last_conv": "backbone.layer{layer}.conv",
            "last_bn": "backbone.layer{layer}.bn",
            "head_value_conv": "decode_head.aspp_conv.conv",
            "head_value_bn": "decode_head.aspp_conv.bn",
            "head_gate_conv": "decode_head.image_pool.1.conv",
            "head_mix_conv": "decode_head.conv_up_input",
            # Theirs are counted from the finest.
            "head_skip_4_conv": "decode_head.convs.conv1",
            "head_fuse_4_conv": "decode_head.conv_ups.conv_up1.conv",
            "head_fuse_4_bn": "decode_head.conv_ups.conv_up1.bn",
            "head_skip_2_conv": "decode_head.convs.conv0",
            "head_fuse_2_conv": "decode_head.conv_ups.conv_up0.conv",
            "head_fuse_2_bn": "decode_head.conv_ups.conv_up0.bn",
            "head_classes_conv": "decode_head.conv_seg",
        },
        vectors=_TORCH,
        backbone=r"backbone\.layer\d+\.",
        head=r"decode_head\.",
        otherwise=(r"^(?=layer\d+\.)", "backbone."),
    ),
    "tensorflow": PeerNames(
        layers={
            "stem_conv": "conv",
            "stem_bn": "conv_bn",
            "expand_conv": "expanded_conv{_block}_expand",
            "expand_bn": "expanded_conv{_block}_expand_bn",
            "depthwise_conv": "expanded_conv{_block}_depthwise",
            "depthwise_bn": "expanded_conv{_block}_depthwise_bn",
            "se_squeeze": "expanded_conv{_block}_squeeze_excite_conv",
            "se_expand": "expanded_conv{_block}_squeeze_excite_conv_1",
            "project_conv": "expanded_conv{_block}_project",
            "project_bn": "expanded_conv{_block}_project_bn",
            "last_conv": "conv_1",
            "last_bn": "conv_1_bn",
            **{name: name for name in _OURS_HEAD},  # they have none
        },
        vectors=_KERAS,
        backbone=r"(conv(_1)?(_bn)?|expanded_conv\w*)/",
        head=r"head_\w+/",
        is_keras=True,
    ),
}

_PARTS = ("expand_conv", "depthwise_conv", "se_squeeze", "project_conv")


def layer_name(
    name: str, layers: Collection[str], family: str, variant: str
) -> str | None:
    """Returns what a family's code base calls one of our layers.

    Args:
        name: Our name of the layer.
        layers: The names of all layers of the network's backbone.
        family: A row of `NAMES`.
        variant: The backbone, `"large"` or `"small"`.

    Returns:
        The name in their state dict; `None` for a layer without weights.
    """
    block, kind = re.fullmatch(r"(?:block_(\d+)_)?(.*)", name).groups()
    template = NAMES[family].layers.get(kind)
    if template is None:
        return None
    stages = _stages(variant)
    index = len(stages) - 1 if block is None else int(block)
    stage, place = stages[index]
    parts = [part for part in _PARTS if f"block_{index}_{part}" in layers]
    before = parts[: parts.index(part)] if (part := _part(kind)) in parts else []
    return template.format(
        block=index,
        layer=index + 1,
        stage=stage,
        place=place,
        part=len(before),
        norm=1 + sum(part != "se_squeeze" for part in before),
        l="l" if _PARTS[0] in parts else "",
        _block=f"_{index}" if index else "",
    )


def _part(kind: str) -> str:
    kind = kind.replace("_bn", "_conv")
    return "se_squeeze" if kind == "se_expand" else kind


def _stages(variant: str) -> list[tuple[int, int]]:
    """Returns the stage of each block and its place there; then those of the last."""
    blocks = BLOCKS[variant]
    groups = [list(g) for _, g in itertools.groupby(blocks, lambda b: b.filters)]
    found = [(s, p) for s, group in enumerate(groups) for p in range(len(group))]
    return [*found, (len(groups), 0)]


def canonical_name(name: str, family: str) -> str:
    """Returns the name of a tensor in a whole network's state dict of today.

    A backbone's own checkpoint has no prefix, or another, and PaddleSeg once counted a
    stem and blocks as conv1, conv2, ..., which are now conv, blocks.0, ... So
    `"conv2.linear_conv.bn.weight"` is `"backbone.blocks.0.linear_conv.bn.weight"`. A
    name that is none of the network's stays as it was.
    """
    if family == "paddleseg":
        name = re.sub(r"^(?:backbone\.)?conv(\d{1,2})(?=\.)", _old_block, name)
    return re.sub(*NAMES[family].otherwise, name)


def _old_block(found: re.Match) -> str:
    number = int(found[1])
    return "backbone.conv" if number == 1 else f"backbone.blocks.{number - 2}"


def is_backbone(name: str, family: str) -> bool:
    """Whether a tensor, by its canonical name, is one of a family's backbone."""
    return re.match(NAMES[family].backbone, name) is not None


def is_head(name: str, family: str) -> bool:
    """Whether a tensor, by its canonical name, is one of a family's head."""
    return re.match(NAMES[family].head, name) is not None


def family_of(names: Iterable[str]) -> str | None:
    """Returns the family whose code base names most tensors so; `None` if none does."""
    names = list(names)
    counts = {
        family: sum(
            _tensor_pattern(family).fullmatch(canonical_name(name, family)) is not None
            for name in names
        )
        for family in NAMES
    }
    family = max(counts, key=counts.__getitem__)
    # Other networks have some such names: of a torchvision one, its first layer.
    return family if 2 * counts[family] >= len(names) else None


@functools.cache
def _tensor_pattern(family: str) -> re.Pattern:
    """Returns the pattern of the names of all tensors that a family can have."""
    names = NAMES[family]
    layers = [
        re.sub(r"\\{\w+\\}", r"\\w*", re.escape(template))
        for template in names.layers.values()
    ]
    vectors = "|".join({"kernel", "weight", "bias", *names.vectors})
    return re.compile(rf"({'|'.join(layers)})[./]({vectors})")


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

    def to_reference(self, value: np.ndarray) -> np.ndarray:
        """Returns a value of the variable in the reference's layout."""
        return value if self.axes is None else value.transpose(np.argsort(self.axes))

    def value(self, tensors) -> np.ndarray:
        """Returns the variable's value from the reference's tensors by name."""
        value = np.asarray(tensors[self.name])
        if self.axes is not None and value.ndim == len(self.axes):
            value = value.transpose(self.axes)
        if self.minus in tensors:
            value = value - tensors[self.minus]
        return value


def reference_tensors(
    model: keras.Model, family: str | None = None
) -> Iterator[ReferenceTensor]:
    """Yields every variable of a model with its name in a code base, in model order.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.
        family: Whose names; `None` for those of the model's family.
    """
    backbone = getattr(model, "backbone", model)
    family = family or model.family
    layers = [layer.name for layer in backbone.layers]
    heads = [] if backbone is model else model.layers
    for layer in (*backbone.layers, *heads):
        name = layer_name(layer.name, layers, family, backbone.variant)
        if name is not None:
            yield from _layer_tensors(layer, name, NAMES[family])


def class_variables(model: keras.Model) -> list[keras.Variable]:
    """Lists the variables of an `LRASPP` whose shapes depend on the classes."""
    layers = [layer for layer in model.layers if layer.name in CLASS_LAYERS]
    return [variable for layer in layers for variable in layer.weights]


def _layer_tensors(layer, name: str, names: PeerNames) -> Iterator[ReferenceTensor]:
    depthwise, conv = _DEPTHWISE_AXES, _CONV_AXES
    kernel, bias = f"{name}.weight", f"{name}.bias"
    if names.is_keras:
        kernel, bias, depthwise, conv = f"{name}/kernel", f"{name}/bias", None, None
    if isinstance(layer, keras.layers.BatchNormalization):
        # PaddleSeg's convolutions before batch norms of the head have a bias.
        folded = name.replace("._batch_norm", "._conv.bias")
        for ours, theirs in zip(_KERAS, names.vectors, strict=True):
            minus = folded if ours == "moving_mean" and folded != name else None
            full = f"{name}{'/' if names.is_keras else '.'}{theirs}"
            yield ReferenceTensor(getattr(layer, ours), full, minus=minus)
    elif isinstance(layer, keras.layers.DepthwiseConv2D):
        yield ReferenceTensor(layer.kernel, kernel, depthwise)
    elif isinstance(layer, keras.layers.Conv2D):
        yield ReferenceTensor(layer.kernel, kernel, conv)
        if layer.use_bias:
            yield ReferenceTensor(layer.bias, bias)
