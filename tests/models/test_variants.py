"""The table of variants, against the reference's tensors and the built networks."""

import math

import pytest

from harness import reference
from keras_lraspp import LRASPP
from keras_lraspp.models.families import FAMILIES, choose_family
from keras_lraspp.models.summary import multiply_adds
from keras_lraspp.models.variants import variant_of, weight_shapes
from keras_lraspp.weights.published import (
    BACKBONE_WEIGHTS,
    PUBLISHERS,
    VARIANTS,
    find_variant,
)

STATISTICS = ("._mean", "._variance", ".running_mean", ".running_var")


def test_the_references_are_in_the_table():
    """All networks whose numbers the references gave, with their parameters."""
    rows = {row.name: row for row in VARIANTS}
    assert len(rows) == len(VARIANTS)
    defaults = {
        "backbone": "large",
        "width": 1.0,
        "output_stride": 8,
        "pooling": "global",
        "head_filters": 128,
        "family": "paddleseg",
    }
    for name, arguments in (*reference.VARIANTS.items(), *reference.PEERS.items()):
        row = rows[f"{name}_voc" if name == "torchvision_large" else name]
        ours = {**row.arguments, "num_classes": row.num_classes}
        assert ours == {**defaults, "num_classes": 19, **arguments}
        counted = sum(
            math.prod(shape)
            for tensor, shape in reference.names(name).items()
            if not tensor.endswith(STATISTICS)
        )
        assert row.parameters == counted
    assert rows["os8_global"].parameters == 2_924_198


def test_every_published_width_is_a_row():
    at_32 = {(row.backbone, row.width) for row in VARIANTS if row.output_stride == 32}
    widths = (0.35, 0.5, 0.75, 1.0, 1.25)
    assert at_32 == {(b, width) for b in ("large", "small") for width in widths}


# Of networks that differ in the head's filters or the code base only, one is built.
ALIKE = (
    "fastseg_large_f128",
    "fastseg_small_f128",
    "fastseg_small_f256",
    "mmseg_large",
)
ROWS = [
    pytest.param(row, id=row.name, marks=pytest.mark.slow if row.name in ALIKE else ())
    for row in VARIANTS
    if not row.name.endswith("_scratch")
]


@pytest.mark.parametrize("row", ROWS)
def test_a_row_is_the_network_that_it_builds(row):
    shape = (512, 1024, 3)
    model = LRASPP(row.num_classes, **row.arguments, input_shape=shape)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    # PaddleSeg has biases before the head's batch norms.
    left_out = 3 * 128 if row.family == "paddleseg" else 0
    assert row.parameters == trainable + left_out
    assert row.multiply_adds == multiply_adds(model)
    assert variant_of(model) == row
    shapes = {weight.path: weight.shape for weight in model.weights}
    assert weight_shapes(model.get_config()) == shapes


def test_networks_that_imagenet_weights_are_of():
    families = {row.name: row.family for row in BACKBONE_WEIGHTS}
    assert families == {name: choose_family(None, name) for name in families}
    assert {*(row.family for row in VARIANTS)} < {*FAMILIES} == {*PUBLISHERS}
    assert choose_family(None, "mine.pdparams") == choose_family(None) == "paddleseg"
    assert choose_family("fastseg", "imagenet") == "fastseg"


def test_networks_trained_without_imagenet_are_those_trained_with_it():
    for name in ("mmseg_large", "mmseg_small"):
        row, scratch = find_variant(name), find_variant(f"{name}_scratch")
        assert scratch.arguments == row.arguments
        assert scratch.multiply_adds == row.multiply_adds


def test_torchvision_states_its_multiply_adds():
    """2.086 G, of images of 520x520, in its enumeration of weights."""
    row = find_variant("torchvision_large_voc")
    model = LRASPP(row.num_classes, **row.arguments, input_shape=(520, 520, 3))
    assert round(multiply_adds(model) / 1e9, 3) == 2.086


@pytest.mark.parametrize(
    ("backbone", "width", "channels"), [("large", 1e-9, 1), ("small", 1.93, 6)]
)
def test_shapes_of_any_width_head_channels_and_classes(backbone, width, channels):
    shape = (None, None, channels)
    model = LRASPP(3, backbone, width, head_filters=24, input_shape=shape)
    shapes = {weight.path: weight.shape for weight in model.weights}
    assert weight_shapes(model.get_config()) == shapes


def test_rows_are_found_by_both_names():
    assert find_variant("os32_global") is find_variant("os32_global_cityscapes")
    assert find_variant("os64") is None
    assert variant_of(LRASPP(7, "small", 0.35, 32)).name == "small_x0_35_os32_global"
    assert variant_of(LRASPP(7, "small", 0.35, 16)) is None
    assert variant_of(LRASPP(7, "small", 0.35, 32, head_filters=64)) is None
    assert find_variant("fastseg_small_f64").preset == "fastseg_small_f64"
    fastseg = {"head_filters": 64, "pooling": "large_kernel", "family": "fastseg"}
    assert variant_of(LRASPP(7, "small", **fastseg)).name == "fastseg_small_f64"
    assert find_variant("small_os32_global").published is None
