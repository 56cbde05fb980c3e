"""MobileNetV3: its taps, its layout, its size."""

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from harness.reference import names
from keras_lraspp import MobileNetV3
from keras_lraspp.errors import InputError
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.models.mobilenet_v3 import (
    LARGE,
    SMALL,
    scale_channels,
    strides_and_dilations,
)

pytestmark = pytest.mark.backends


@pytest.mark.parametrize(
    ("variant", "output_stride", "strides", "channels"),
    [
        ("large", 8, (4, 8, 8, 8), (24, 40, 112, 160)),
        ("large", 16, (4, 8, 16, 16), (24, 40, 112, 160)),
        ("large", 32, (4, 8, 16, 32), (24, 40, 112, 160)),
        ("small", 8, (4, 8, 8, 8), (16, 24, 48, 96)),
        ("small", 32, (4, 8, 16, 32), (16, 24, 48, 96)),
    ],
)
def test_taps_have_the_published_strides_and_channels(
    variant, output_stride, strides, channels
):
    backbone = MobileNetV3(variant, output_stride=output_stride)
    assert backbone.tap_strides == strides
    assert backbone.tap_channels == channels
    height, width = 65, 98  # not multiples of anything
    shapes = [tuple(tap.shape) for tap in backbone(np.zeros((2, height, width, 3)))]
    assert shapes == [
        (2, -(-height // stride), -(-width // stride), filters)
        for stride, filters in zip(strides, channels, strict=True)
    ]


def test_dilations_are_the_recipe_at_output_stride_8():
    large = strides_and_dilations(LARGE, 8)
    assert [dilation for _, dilation in large] == [1] * 7 + [2] * 6 + [4] * 2
    assert large[6][0] == large[12][0] == 1
    small = strides_and_dilations(SMALL, 8)
    assert [dilation for _, dilation in small] == [1] * 4 + [2] * 5 + [4] * 2
    assert small[3][0] == small[8][0] == 1


def test_output_stride_16_dilates_only_the_last_stage():
    assert [d for _, d in strides_and_dilations(LARGE, 16)] == [1] * 13 + [2] * 2


@pytest.mark.parametrize(
    ("channels", "width", "scaled"),
    [(16, 0.35, 8), (40, 0.35, 16), (24, 0.5, 16), (160, 1.25, 200), (72, 0.75, 56)],
)
def test_channels_round_to_multiples_of_8(channels, width, scaled):
    assert scale_channels(channels, width) == scaled


def test_trainable_parameters_are_the_reference_backbone():
    shapes = names("os32_global")
    wanted = sum(
        int(np.prod(shape))
        for name, shape in shapes.items()
        if name.startswith("backbone.") and not name.endswith(("._mean", "._variance"))
    )
    backbone = MobileNetV3("large")
    assert sum(int(np.prod(w.shape)) for w in backbone.trainable_weights) == wanted


def test_initial_weights_count_all_input_channels():
    """N(0, sqrt(2 / (k k C_in))), also where the convolution is depthwise."""
    keras.utils.set_random_seed(0)
    backbone = MobileNetV3("large")
    kernel = backbone.get_layer("block_14_depthwise_conv").get_weights()[0]
    deviation = np.sqrt(2 / (5 * 5 * 960))
    assert kernel.std() == pytest.approx(deviation, rel=0.02)
    assert np.abs(kernel).max() > 3 * deviation  # not truncated


def test_arguments_out_of_range_are_refused():
    with pytest.raises(InputError, match="variant is one of 'large', 'small', not 'm"):
        MobileNetV3("medium")
    with pytest.raises(InputError, match="output_stride is one of 8, 16, 32, not 4"):
        MobileNetV3(output_stride=4)
    with pytest.raises(InputError, match="width is a number above 0 .* not '1'"):
        MobileNetV3(width="1")
    with pytest.raises(TypeError, match="'strides'; did you mean output_stride?"):
        MobileNetV3(strides=8)


def test_the_drawing_of_the_manual_has_these_numbers():
    drawing = (Path(__file__).parents[2] / "docs/network.svg").read_text()
    boxes = dict(re.findall(r">([^<>]+)</text><text[^>]*>([^<>]+)</text></g>", drawing))
    layout = strides_and_dilations(LARGE, 8)
    parts = {"block 0": (0, 0), "blocks 1, 2": (1, 2), "blocks 3 to 5": (3, 5)}
    parts |= {"blocks 6 to 11": (6, 11), "blocks 12 to 14": (12, 14)}
    stride = 2
    for title, (first, last) in parts.items():
        blocks, steps = LARGE[first : last + 1], layout[first : last + 1]
        for strides, _ in steps:
            stride *= strides
        filters = "–".join(map(str, dict.fromkeys(block.filters for block in blocks)))
        dilations = [dilation for _, dilation in steps]
        if filters == "80–112":
            dilations = [*dict.fromkeys(dilations)]
        words = f"H/{stride}, {filters}"
        words += f", dilated {', '.join(map(str, dilations))}" * (max(dilations) > 1)
        assert boxes[title].removesuffix(" channels") == words
    skips = dict(zip((8, 4), re.findall(r">1×1, (\d+)<", drawing)[::-1], strict=True))
    assert skips == {
        skip.stride: str(skip.filters) for skip in FAMILIES["paddleseg"].skips
    }
