"""Import of PaddleSeg's weights, with an account of every tensor."""

import re
import warnings
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.models.mobilenet_v3 import MobileNetV3
from keras_lraspp.weights import read_pdparams
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.published import find_backbone

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
_STEM = "backbone.conv.conv.weight"
CLASS_LAYER = "lraspp_head.conv_out.weight"
_BACKBONE_NAME = ("backbone.conv.", "backbone.blocks.")
_HEAD_NAME = "lraspp_head."
_CONV_AXES = (2, 3, 1, 0)  # to (height, width, in, out)
_DEPTHWISE_AXES = (2, 3, 0, 1)  # to (height, width, channels, 1)


class ImportReport(NamedTuple):
    """What became of every tensor, by the reference's names.

    Attributes:
        loaded: Tensors that are now in the model.
        unused: Tensors that the file has beyond the model.
        missing: Tensors that the model has beyond the file; they stay as they were.
        mismatched: Tensors of another shape, with both shapes; not loaded either.
    """

    loaded: tuple[str, ...]
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    mismatched: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Returns a line for each kind that there is."""
        lines = [f"{len(self.loaded)} tensors loaded"]
        for names, text in (
            (self.unused, "in the file, not used by the model"),
            (self.missing, "of the model, not in the file"),
            (self.mismatched, "of another shape, not loaded"),
        ):
            if names:
                lines.append(
                    f"{len(names)} {text}: {abbreviate(name[:200] for name in names)}"
                )
        return "\n".join(lines)


def import_weights(
    model: keras.Model, path: str | Path, strict: bool = True
) -> ImportReport:
    """Fills a model with weights that PaddleSeg trained.

    A file of a backbone fills the backbone of an `LRASPP`, whose head then stays as it
    was; a file of a whole network fills a `MobileNetV3` too. The classifier behind a
    published backbone is left out. For a model of other channels than the file's RGB,
    the first layer is adapted, with a warning, see `adapt_channels`.

    Args:
        model: An `LRASPP` or a `MobileNetV3`.
        path: A `.pdparams` file, a folder or `.tar.gz` that holds `model.pdparams`, or
            `"imagenet_ssld"` for the published backbone, which is downloaded.
        strict: Whether tensors that should be there and are not, or that nobody
            asked for, are an error. Otherwise what fits is loaded.

    Returns:
        What was loaded, and what was not.

    Raises:
        InputError: If the file is damaged, or with `strict` if it belongs to another
            network; the model is then as it was.
        StorageError: If the file cannot be read or downloaded.

    Example:
        ```python
        model = keras_lraspp.LRASPP(num_classes=19, output_stride=8)
        print(keras_lraspp.import_weights(model, "model.pdparams"))
        ```
    """
    backbone = getattr(model, "backbone", model)
    row = find_backbone(str(path), backbone.variant, backbone.width)
    published = row and row.published
    if published is None:
        tensors = read_pdparams(path)
    else:
        tensors = fetch(
            published,
            lambda tensors: check_compatible(
                MobileNetV3("large"), tensors, published.address
            ),
        )
    return fill(model, tensors, str(path), strict=strict)


def fill(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    skip: Collection[str] = (),
) -> ImportReport:
    """Puts the reference's tensors into a model; see `import_weights`.

    Those to skip stay as they are in the model; `source` is for the message.
    """
    tensors = _with_channels(tensors, model, source)
    report = check_compatible(model, tensors, source, strict=strict, skip=skip)
    tensors = {canonical_name(name): value for name, value in tensors.items()}
    fitting = {name: tensors[name] for name in report.loaded}
    for row in reference_tensors(model):
        if row.name in fitting:
            row.variable.assign(row.value(fitting))
    return report


def _with_channels(
    tensors: Mapping[str, np.ndarray], model: keras.Model, source: str
) -> Mapping[str, np.ndarray]:
    """Returns the tensors with the first layer's kernel for the model's channels."""
    ours = _reference_shapes(model)[_STEM]
    changed = {}
    for name, value in tensors.items():
        theirs = value.shape
        if canonical_name(name) != _STEM or len(theirs) != 4 or theirs == ours:
            continue
        if theirs[1] and (theirs[0], *theirs[2:]) == (ours[0], *ours[2:]):
            last = np.moveaxis(value, 1, 2)
            changed[name] = np.moveaxis(adapt_channels(last, ours[1], source), 2, 1)
    return {**tensors, **changed}


def adapt_channels(kernel: np.ndarray, channels: int, source: str) -> np.ndarray:
    """Adapts the kernel of a first layer to images of other channels, with a warning.

    For one channel, kernels are summed: a grey image then scores as the same image
    repeated in RGB. For others they are repeated in turn and multiplied by the quotient
    of the numbers of channels, so that the sum over channels keeps its scale: channel i
    gets the kernel of channel i mod 3 of RGB, times 3 / channels.

    Args:
        kernel: (A, B, channels, D), of at least one channel.
        channels: Number of channels of the images.
        source: Where the kernel is from, for the warning.

    Returns:
        The kernel (A, B, `channels`, D).
    """
    theirs = kernel.shape[2]
    warnings.warn(
        f"{source} is for {theirs}-channel images; its first layer was adapted to "
        f"{channels}.",
        stacklevel=2,
    )
    if channels == 1:
        return kernel.sum(2, keepdims=True)
    turns = np.arange(channels) % theirs
    return kernel[:, :, turns] * np.asarray(theirs / channels, kernel.dtype)


def check_compatible(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    source: str,
    *,
    strict: bool = True,
    skip: Collection[str] = (),
) -> ImportReport:
    """Returns the report of `fill` or raises its errors, and changes nothing."""
    ours = _reference_shapes(model)
    theirs = {canonical_name(name): value.shape for name, value in tensors.items()}
    if len(theirs) < len(tensors):
        raise InputError(f"{source} has several tensors for one place in the model.")
    for name, value in tensors.items():
        if name.endswith("._variance") and (value < 0).any():
            raise InputError(
                f"{source} has negative variances in {name[:200]}, which make scores "
                f"that are not finite; take another file."
            )
    both = [name for name in ours if name in theirs and name not in skip]
    mismatched = tuple(
        f"{name} {theirs[name]} in the file, {ours[name]} here"
        for name in both
        if theirs[name] != ours[name]
    )
    report = ImportReport(
        loaded=tuple(name for name in both if theirs[name] == ours[name]),
        unused=tuple(name for name in theirs if name not in ours or name in skip),
        missing=tuple(name for name in ours if name not in theirs),
        mismatched=mismatched,
    )
    wrong = _unexpected(report, model, theirs, skip)
    if strict and any(wrong):
        raise InputError(
            f"{source} does not hold the weights of this {type(model).__name__}: "
            f"{_describe(wrong)}. Choose the variant and number of classes of the "
            f"file; strict=False would load what fits."
        )
    return report


def _reference_shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    """Returns the reference's shapes, with the biases that we fold into a mean."""
    shapes = {}
    for row in reference_tensors(model):
        shapes[row.name] = row.shape
        if row.minus is not None:
            shapes[row.minus] = row.shape
    return shapes


def _unexpected(report: ImportReport, model, theirs, skip) -> ImportReport:
    """Keeps of a report what should not be in it."""
    whole_file = any(name.startswith(_HEAD_NAME) for name in theirs)
    whole_model = hasattr(model, "backbone")
    # A backbone's file may have a classifier, a whole network's a head for a backbone.
    return report._replace(
        loaded=(),
        unused=tuple(
            name
            for name in report.unused
            if (whole_file and whole_model or name.startswith(_BACKBONE_NAME))
            and name not in skip
        ),
        missing=tuple(
            name
            for name in report.missing
            if whole_file or not name.startswith(_HEAD_NAME)
        ),
    )


def _describe(wrong: ImportReport) -> str:
    return "; ".join(
        f"{text} {abbreviate(name[:200] for name in names)}"
        for text, names in (
            ("tensors that differ:", wrong.mismatched),
            ("it lacks", wrong.missing),
            ("it also has", wrong.unused),
        )
        if names
    )


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
    """Yields every variable of a model with the reference's name, in model order."""
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
    blocks as conv1, conv2, ..., which are now conv, blocks.0, ... So
    `"conv2.linear_conv.bn.weight"` is `"backbone.blocks.0.linear_conv.bn.weight"`. A
    name that is none of the network's stays as it was.
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
