"""Sizes of layers' outputs, against counts by hand."""

import keras
import pytest

from harness import tiny
from keras_lraspp import LRASPP
from keras_lraspp.models.summary import at_size, dtype_bytes, output_bytes


def test_a_small_network_by_hand():
    model = at_size(tiny.network(num_classes=3), 8, 12)
    # Rescaled pixels; convolution, batch norm, ReLU at half the size with 4 channels;
    # logits at half the size and at the whole one.
    assert output_bytes(model) == 4 * (8 * 12 * 3 + 3 * 4 * 6 * 4 + 4 * 6 * 3 + 288)


def test_the_backbone_inside_counts_and_grows_with_the_pixels():
    model = LRASPP(backbone="small", width=0.35, output_stride=32)
    sizes = [output_bytes(at_size(model, side, side)) for side in (64, 128)]
    # All but the few outputs behind the global poolings are four times as large.
    assert sizes[1] == pytest.approx(4 * sizes[0], rel=0.02)
    backbone = at_size(model, 64, 64).backbone
    assert output_bytes(backbone) > 0.3 * sizes[0]


def test_half_precision_takes_half():
    sizes = []
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        try:
            inputs = keras.Input((4, 4, 3))
            model = keras.Model(inputs, keras.layers.Conv2D(5, 1)(inputs))
        finally:
            keras.config.set_dtype_policy("float32")
        sizes.append(output_bytes(model))
    assert sizes == [320, 160]
    assert [dtype_bytes(name) for name in ("bfloat16", "int64", "bool")] == [2, 8, 1]


def test_without_a_size_there_is_no_number():
    with pytest.raises(ValueError, match="has no fixed size"):
        output_bytes(tiny.network(num_classes=3))
