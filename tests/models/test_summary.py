"""Multiply-adds, bytes of outputs and memory of a step, against counts by hand."""

import keras
import pytest

from harness import tiny
from harness.children import run_program
from keras_lraspp import LRASPP
from keras_lraspp.models.summary import (
    at_size,
    dtype_bytes,
    estimate_step,
    multiply_adds,
    output_bytes,
)
from keras_lraspp.training.optimizer import SGD


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


def small_network(height, width):
    """A strided, a dilated, a depthwise convolution, a nested model, a dense layer."""
    layers = keras.layers
    inner = keras.Sequential(
        [keras.Input((5, 5, 6)), layers.Conv2D(2, 1, name="inner")], name="nested"
    )
    pixels = keras.Input((height, width, 3))
    x = layers.Conv2D(4, 3, strides=2, padding="same", name="strided")(pixels)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = layers.Conv2D(6, 3, dilation_rate=2, padding="same", name="dilated")(x)
    x = layers.Activation("relu")(x)
    if height:
        x = layers.Flatten()(inner(x))
        x = layers.Dense(7)(x)
    return keras.Model(pixels, x)


def test_a_small_network_counted_by_hand():
    strided = 5 * 5 * 4 * 3 * 3 * 3
    depthwise = 5 * 5 * 4 * 3 * 3
    dilated = 5 * 5 * 6 * 4 * 3 * 3
    inner = 5 * 5 * 2 * 6
    dense = 5 * 5 * 2 * 7
    total = strided + depthwise + dilated + inner + dense
    assert total == 2700 + 900 + 5400 + 300 + 350
    assert multiply_adds(small_network(10, 10)) == total


# By hand from table 1 of the paper, for 512x1024: cells of the input and of the output,
# channels in, expanded and out, kernel, and channels inside the gate. As in PaddleSeg,
# the first block expands, too, and a gate has a quarter of the channels.
OS32_BLOCKS = (
    (256 * 512, 256 * 512, 16, 16, 16, 3, 0),
    (256 * 512, 128 * 256, 16, 64, 24, 3, 0),
    (128 * 256, 128 * 256, 24, 72, 24, 3, 0),
    (128 * 256, 64 * 128, 24, 72, 40, 5, 18),
    (64 * 128, 64 * 128, 40, 120, 40, 5, 30),
    (64 * 128, 64 * 128, 40, 120, 40, 5, 30),
    (64 * 128, 32 * 64, 40, 240, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 200, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 184, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 184, 80, 3, 0),
    (32 * 64, 32 * 64, 80, 480, 112, 3, 120),
    (32 * 64, 32 * 64, 112, 672, 112, 3, 168),
    (32 * 64, 16 * 32, 112, 672, 160, 5, 168),
    (16 * 32, 16 * 32, 160, 960, 160, 5, 240),
    (16 * 32, 16 * 32, 160, 960, 160, 5, 240),
)


def test_os32_global_counted_by_hand():
    stem = 256 * 512 * 3 * 3 * 3 * 16
    blocks = sum(
        before * given * expanded
        + after * expanded * kernel**2
        + 2 * expanded * inside
        + after * expanded * out
        for before, after, given, expanded, out, kernel, inside in OS32_BLOCKS
    )
    deep = 16 * 32 * (160 * 128 + 128 * 128) + 160 * 128  # value, mix; one gate
    middle = 64 * 128 * (40 * 64 + (128 + 64) * 128)
    fine = 128 * 256 * (24 * 32 + (128 + 32) * 128 + 128 * 19)
    total = stem + blocks + deep + middle + fine
    assert total == 3_194_734_688
    model = LRASPP(output_stride=32, input_shape=(512, 1024, 3))
    assert multiply_adds(model) == total


def test_the_published_networks_are_of_the_measured_size():
    """12.3 and 3.2 G for an image of 512x1024, counted elsewhere."""
    counted = [
        multiply_adds(LRASPP(output_stride=stride, input_shape=(512, 1024, 3)))
        for stride in (8, 32)
    ]
    assert counted == pytest.approx([12.3e9, 3.2e9], rel=0.005)


def test_any_size_is_refused():
    with pytest.raises(ValueError, match="strided has no fixed size"):
        multiply_adds(small_network(None, None))


def test_the_parts_by_hand():
    network = tiny.network(num_classes=3)
    network.compile(SGD(), "mse")
    network.optimizer.build(network.trainable_variables)
    memory = estimate_step(network, 2, 8, 12)
    trained = 3 * 3 * 3 * 4 + 4 + 4 + 4 * 3 + 3
    assert memory.gradients == 4 * trained
    assert memory.weights == 4 * (trained + 8)
    counters = memory.optimizer - 4 * trained  # the rate; steps done, int32 or int64
    assert counters in (8, 12)
    assert memory.outputs == 2 * 4 * (288 + 3 * 96 + 72 + 288)
    assert memory.total == sum(memory)


def test_another_kind_of_network_has_no_estimate():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    network = Own()
    network.compile(SGD(), "mse")
    assert estimate_step(network, 2, 8, 12) is None


PEAK = """
    import json, resource, sys
    import numpy as np
    from keras_lraspp import LRASPP
    from keras_lraspp.models.summary import estimate_step
    from keras_lraspp.training.setup import compile_network
    from keras_lraspp.losses import OhemCrossEntropy
    from keras_lraspp.training.optimizer import SGD

    batch, height, width = map(int, sys.argv[1:])
    network = LRASPP(output_stride=32)
    compile_network(network, OhemCrossEntropy(), SGD())
    images = np.random.randint(0, 255, (batch, height, width, 3)).astype("uint8")
    labels = np.random.randint(0, 19, (batch, height, width)).astype("uint8")
    for _ in range(4):
        network.train_on_batch(images, labels)
    memory = estimate_step(network, batch, height, width)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps([peak, memory.outputs, memory.total]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(2, 128, 256), (4, 256, 512)])
def test_the_estimate_is_near_the_peak_of_a_real_step(shape):
    """What a step of one image of 32x32 takes, too, is the backend's own."""
    peak, outputs, total = run_program(PEAK, *shape)
    least, few_outputs, few = run_program(PEAK, 1, 32, 32)
    measured = peak - least + few
    print(f"{shape}: {measured / 1e6:.0f} MB, estimated {total / 1e6:.0f} MB")
    assert total == pytest.approx(measured, rel=0.2)
