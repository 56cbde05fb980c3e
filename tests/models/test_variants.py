"""The table of variants, against the reference's tensors and the built networks."""

import math

import pytest

from harness import reference
from keras_lraspp import LRASPP
from keras_lraspp.models.summary import multiply_adds
from keras_lraspp.models.variants import variant_of, weight_shapes
from keras_lraspp.weights.published import VARIANTS, find_variant


def test_the_reference_is_in_the_table():
    """All nine variants whose numbers the reference gave, with its parameters."""
    rows = {row.name: row for row in VARIANTS}
    assert len(rows) == len(VARIANTS)
    for name, arguments in reference.VARIANTS.items():
        defaults = {
            "backbone": "large",
            "width": 1.0,
            "output_stride": 8,
            "pooling": "global",
            "head_filters": 128,
            "family": "paddleseg",
        }
        assert rows[name].arguments == {**defaults, **arguments}
        counted = sum(
            math.prod(shape)
            for tensor, shape in reference.names(name).items()
            if not tensor.endswith(("._mean", "._variance"))
        )
        assert rows[name].parameters == counted
    assert rows["os8_global"].parameters == 2_924_198


def test_every_published_width_is_a_row():
    at_32 = {(row.backbone, row.width) for row in VARIANTS if row.output_stride == 32}
    widths = (0.35, 0.5, 0.75, 1.0, 1.25)
    assert at_32 == {(b, width) for b in ("large", "small") for width in widths}


@pytest.mark.parametrize("row", VARIANTS, ids=lambda row: row.name)
def test_a_row_is_the_network_that_it_builds(row):
    model = LRASPP(**row.arguments, input_shape=(512, 1024, 3))
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    assert row.parameters == trainable + 3 * 128
    assert row.multiply_adds == multiply_adds(model)
    assert variant_of(model) == row
    shapes = {weight.path: weight.shape for weight in model.weights}
    assert weight_shapes(model.get_config()) == shapes


@pytest.mark.parametrize(
    ("backbone", "width", "channels"), [("large", 1e-9, 1), ("small", 1.93, 6)]
)
def test_shapes_of_any_width_head_channels_and_classes(backbone, width, channels):
    shape = (None, None, channels)
    model = LRASPP(3, backbone, width, head_filters=24, input_shape=shape)
    shapes = {weight.path: weight.shape for weight in model.weights}
    assert weight_shapes(model.get_config()) == shapes


def test_what_was_published():
    published = {row.preset: row for row in VARIANTS if row.preset}
    assert {name: row.miou for name, row in published.items()} == {
        "os8_global_cityscapes": 72.33,
        "os8_large_kernel_cityscapes": 73.19,
        "os32_global_cityscapes": 70.13,
    }
    folder = "lraspp_mobilenetv3_cityscapes_1024x512_80k"
    row = published["os8_large_kernel_cityscapes"]
    assert row.published.path == f"cityscapes/{folder}_large_kernel/model.pdparams"
    assert row.published.file_name == f"{folder}_large_kernel.pdparams"
    assert find_variant("small_os32_global").published is None


def test_rows_are_found_by_both_names():
    assert find_variant("os32_global") is find_variant("os32_global_cityscapes")
    assert find_variant("os64") is None
    assert variant_of(LRASPP(7, "small", 0.35, 32)).name == "small_x0_35_os32_global"
    assert variant_of(LRASPP(7, "small", 0.35, 16)) is None
    assert variant_of(LRASPP(7, "small", 0.35, 32, head_filters=64)) is None
