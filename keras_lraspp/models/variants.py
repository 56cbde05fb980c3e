"""Which variant of the table a model is, and the shapes of an LRASPP's weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_lraspp.models.families import FAMILIES, LAST_CONV, STEM, Family
from keras_lraspp.models.mobilenet_v3 import (
    Block,
    expands,
    last_channels,
    scale_blocks,
    scale_channels,
    squeezed_channels,
)
from keras_lraspp.weights.published import VARIANTS, Variant


def variant_of(model: keras.Model) -> Variant | None:
    """Returns the variant that an `LRASPP` is, whatever its number of classes."""
    config = model.get_config()
    for variant in VARIANTS:
        if all(config.get(key) == value for key, value in variant.arguments.items()):
            return variant
    return None


def weight_shapes(arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Computes the shapes of an `LRASPP`'s weights without building it.

    Args:
        arguments: Those of `LRASPP` that its shapes depend on: `num_classes`,
            `backbone`, `width`, `head_filters`, `input_shape` and `family`, in range.
            Others may be there.

    Returns:
        Shapes by the variables' paths, as `{"stem_conv/kernel": (3, 3, 3, 16), ...}`.
    """
    family = FAMILIES[arguments["family"]]
    blocks = scale_blocks(arguments["backbone"], arguments["width"], family)
    channels = scale_channels(16, arguments["width"])
    kernel = (3, 3, arguments["input_shape"][-1], channels)
    rows = [*_conv_bn_shapes("stem", kernel, channels)]
    outputs = {STEM: channels}
    for index, block in enumerate(blocks):
        rows += _block_shapes(f"block_{index}", channels, block, family)
        channels = outputs[index] = block.filters
    if family.last_conv:
        outputs[LAST_CONV] = last = last_channels(blocks)
        rows += _conv_bn_shapes("last", (1, 1, channels, last), last)
    taps = [outputs[tap] for tap in family.taps[arguments["backbone"]]]
    filters, num_classes = arguments["head_filters"], arguments["num_classes"]
    return dict([*rows, *_head_shapes(taps, filters, num_classes, family)])


_Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _block_shapes(name: str, channels: int, block: Block, family: Family) -> _Shapes:
    wide, size = block.expanded, block.kernel_size
    if expands(block, channels, family):
        yield from _conv_bn_shapes(f"{name}_expand", (1, 1, channels, wide), wide)
    yield from _conv_bn_shapes(f"{name}_depthwise", (size, size, wide, 1), wide)
    if block.squeeze_excite:
        squeezed = squeezed_channels(wide, family)
        yield from _conv_shapes(f"{name}_se_squeeze", wide, squeezed, True)
        yield from _conv_shapes(f"{name}_se_expand", squeezed, wide, True)
    shape = (1, 1, wide, block.filters)
    yield from _conv_bn_shapes(f"{name}_project", shape, block.filters)


def _head_shapes(
    taps: list[int], filters: int, num_classes: int, family: Family
) -> _Shapes:
    biased = family.head_biases
    yield from _conv_bn_shapes("head_value", (1, 1, taps[-1], filters), filters)
    yield from _conv_shapes("head_gate_conv", taps[-1], filters, False)
    if family.adds_logits:
        (skip,) = family.skips
        tap = skip.tap(taps)
        yield from _conv_shapes("head_skip_classes_conv", tap, num_classes, biased)
    else:
        yield from _conv_shapes("head_mix_conv", filters, filters, biased)
        for skip in family.skips:
            tap, name = skip.tap(taps), f"head_skip_{skip.stride}_conv"
            yield from _conv_shapes(name, tap, skip.filters, False)
            shape = (1, 1, filters + skip.filters, filters)
            yield from _conv_bn_shapes(f"head_fuse_{skip.stride}", shape, filters)
    yield from _conv_shapes("head_classes_conv", filters, num_classes, biased)


def _conv_shapes(name: str, channels: int, filters: int, bias: bool) -> _Shapes:
    yield f"{name}/kernel", (1, 1, channels, filters)
    if bias:
        yield f"{name}/bias", (filters,)


def _conv_bn_shapes(name: str, kernel: tuple[int, ...], channels: int) -> _Shapes:
    yield f"{name}_conv/kernel", kernel
    for vector in ("gamma", "beta", "moving_mean", "moving_variance"):
        yield f"{name}_bn/{vector}", (channels,)
