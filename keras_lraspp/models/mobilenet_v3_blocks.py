"""The blocks of MobileNetV3 large and small, one row each.

Source: Searching for MobileNetV3 (Howard et al., 2019), tables 1 and 2.
"""

from typing import NamedTuple


class Block(NamedTuple):
    """One inverted residual block at width 1.0."""

    kernel_size: int
    expanded: int  # channels after the 1x1 expansion
    filters: int  # channels out
    squeeze_excite: bool
    hard_swish: bool  # hard-swish, else ReLU
    strides: int


class Backbone(NamedTuple):
    """A stack of blocks and the blocks whose outputs are published."""

    blocks: tuple[Block, ...]
    taps: tuple[int, ...]  # the last block at strides 4, 8, 16 and 32


STEM_FILTERS = 16

LARGE = Backbone(
    blocks=(
        Block(3, 16, 16, False, False, 1),
        Block(3, 64, 24, False, False, 2),
        Block(3, 72, 24, False, False, 1),
        Block(5, 72, 40, True, False, 2),
        Block(5, 120, 40, True, False, 1),
        Block(5, 120, 40, True, False, 1),
        Block(3, 240, 80, False, True, 2),
        Block(3, 200, 80, False, True, 1),
        Block(3, 184, 80, False, True, 1),
        Block(3, 184, 80, False, True, 1),
        Block(3, 480, 112, True, True, 1),
        Block(3, 672, 112, True, True, 1),
        Block(5, 672, 160, True, True, 2),
        Block(5, 960, 160, True, True, 1),
        Block(5, 960, 160, True, True, 1),
    ),
    taps=(2, 5, 11, 14),
)

SMALL = Backbone(
    blocks=(
        Block(3, 16, 16, True, False, 2),
        Block(3, 72, 24, False, False, 2),
        Block(3, 88, 24, False, False, 1),
        Block(5, 96, 40, True, True, 2),
        Block(5, 240, 40, True, True, 1),
        Block(5, 240, 40, True, True, 1),
        Block(5, 120, 48, True, True, 1),
        Block(5, 144, 48, True, True, 1),
        Block(5, 288, 96, True, True, 2),
        Block(5, 576, 96, True, True, 1),
        Block(5, 576, 96, True, True, 1),
    ),
    taps=(0, 2, 7, 10),
)

BACKBONES = {"large": LARGE, "small": SMALL}


def scale_channels(channels: int, width: float) -> int:
    """Scales a channel count and rounds it to a multiple of 8.

    Args:
        channels: Channels at width 1.0.
        width: The multiplier.

    Returns:
        The nearest multiple of 8, at least 8 and not below 0.9 of the scaled
        value.
    """
    value = channels * width
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def scaled(backbone: Backbone, width: float) -> Backbone:
    """Returns the backbone with all channels scaled by `width`."""
    blocks = tuple(
        block._replace(
            expanded=scale_channels(block.expanded, width),
            filters=scale_channels(block.filters, width),
        )
        for block in backbone.blocks
    )
    return backbone._replace(blocks=blocks)


def strides_and_dilations(
    backbone: Backbone, output_stride: int
) -> list[tuple[int, int]]:
    """Lays out strides so that the network's total stride stops at a limit.

    A block that would pass `output_stride` keeps its resolution and its own
    dilation; the blocks after it are dilated by the stride that was left out.

    Args:
        backbone: The table.
        output_stride: 8, 16 or 32.

    Returns:
        (strides, dilation) of each block.
    """
    layout, stride, dilation = [], 2, 1  # the stem has stride 2
    for block in backbone.blocks:
        if stride * block.strides <= output_stride:
            layout.append((block.strides, dilation))
            stride *= block.strides
        else:
            layout.append((1, dilation))
            dilation *= block.strides
    return layout
