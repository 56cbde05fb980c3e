"""Which variant of the table a model is, and the shapes of an LRASPP's weights."""

from collections.abc import Iterator, Mapping
from typing import Any

import keras

from keras_lraspp.models.mobilenet_v3 import (
    BACKBONES,
    Block,
    scale_channels,
    scale_width,
)
from keras_lraspp.weights.published import VARIANTS, Variant

# Filters of the head's 1x1 convolutions on the two skip connections, deepest first.
SKIP_FILTERS = (64, 32)


def variant_of(model: keras.Model) -> Variant | None:
    """Returns the variant that an `LRASPP` is, whatever its number of classes."""
    config = model.get_config()
    if config.get("head_filters") != 128:
        return None
    for variant in VARIANTS:
        if all(config[key] == value for key, value in variant.arguments.items()):
            return variant
    return None


def weight_shapes(arguments: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Computes the shapes of an `LRASPP`'s weights without building it.

    Args:
        arguments: Those of `LRASPP` that its shapes depend on: `num_classes`,
            `backbone`, `width`, `head_filters` and `input_shape`, in range. Others may
            be there.

    Returns:
        Shapes by the variables' paths, as `{"stem_conv/kernel": (3, 3, 3, 16), ...}`.
    """
    table = scale_width(BACKBONES[arguments["backbone"]], arguments["width"])
    channels = scale_channels(16, arguments["width"])
    kernel = (3, 3, arguments["input_shape"][-1], channels)
    rows = [*_conv_bn_shapes("stem", kernel, channels)]
    for index, block in enumerate(table.blocks):
        rows += _block_shapes(f"block_{index}", channels, block)
        channels = block.filters
    taps = [table.blocks[tap].filters for tap in table.taps]
    rows += _head_shapes(taps, arguments["head_filters"], arguments["num_classes"])
    return dict(rows)


_Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _block_shapes(name: str, channels: int, block: Block) -> _Shapes:
    wide, size = block.expanded, block.kernel_size
    yield from _conv_bn_shapes(f"{name}_expand", (1, 1, channels, wide), wide)
    yield from _conv_bn_shapes(f"{name}_depthwise", (size, size, wide, 1), wide)
    if block.squeeze_excite:
        for part, inputs, outputs in (
            ("squeeze", wide, wide // 4),
            ("expand", wide // 4, wide),
        ):
            yield f"{name}_se_{part}/kernel", (1, 1, inputs, outputs)
            yield f"{name}_se_{part}/bias", (outputs,)
    shape = (1, 1, wide, block.filters)
    yield from _conv_bn_shapes(f"{name}_project", shape, block.filters)


def _head_shapes(taps: list[int], filters: int, num_classes: int) -> _Shapes:
    finest, middle, _, deepest = taps
    yield from _conv_bn_shapes("head_value", (1, 1, deepest, filters), filters)
    yield "head_gate_conv/kernel", (1, 1, deepest, filters)
    yield "head_mix_conv/kernel", (1, 1, filters, filters)
    for tap, skip, stride in zip((middle, finest), SKIP_FILTERS, (8, 4), strict=True):
        yield f"head_skip_{stride}_conv/kernel", (1, 1, tap, skip)
        shape = (1, 1, filters + skip, filters)
        yield from _conv_bn_shapes(f"head_fuse_{stride}", shape, filters)
    yield "head_classes_conv/kernel", (1, 1, filters, num_classes)


def _conv_bn_shapes(name: str, kernel: tuple[int, ...], channels: int) -> _Shapes:
    yield f"{name}_conv/kernel", kernel
    for vector in ("gamma", "beta", "moving_mean", "moving_variance"):
        yield f"{name}_bn/{vector}", (channels,)
