"""Convolutions against sums in NumPy, finite differences and Keras's own layer."""

from functools import partial

import keras
import numpy as np
import pytest

from keras_lraspp.layers import Conv2D, DepthwiseConv2D

pytestmark = pytest.mark.backends

# Kernel, strides, dilation, padding, height and width of the picture.
WINDOWS = [
    (3, 1, 1, "same", (5, 6)),
    (5, 2, 1, "valid", (9, 8)),
    (3, 2, 1, "same", (6, 7)),
    (3, 2, 1, "valid", (8, 7)),  # of which the last row and no column is left over
    (5, 1, 2, "same", (6, 5)),  # further apart than the picture is wide
    ((1, 3), 1, 1, "same", (3, 4)),
]


def layer_and_inputs(
    kernel, strides, dilation, padding, size, kind=DepthwiseConv2D, dtype="float32"
):
    layer = kind(
        kernel,
        strides=strides,
        dilation_rate=dilation,
        padding=padding,
        bias_initializer=keras.initializers.RandomNormal(seed=2),
        data_format="channels_last",
        dtype=dtype,
    )
    inputs = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    layer.build(inputs.shape)
    weights = np.random.default_rng(1).normal(size=layer.kernel.shape)
    layer.kernel.assign(weights)
    return layer, inputs


def by_sums(inputs, kernel, bias, strides, dilation, padding):
    """One number after the other, in float64."""
    edges = [(0, 0)]
    sizes = []
    for side, cells in zip(inputs.shape[1:3], kernel.shape[:2], strict=True):
        reach = (cells - 1) * dilation
        count = (
            -(-side // strides) if padding == "same" else -(-(side - reach) // strides)
        )
        total = max((count - 1) * strides + reach + 1 - side, 0)
        edges.append((total // 2, total - total // 2))
        sizes.append(count)
    padded = np.pad(inputs.astype("float64"), (*edges, (0, 0)))
    outputs = np.zeros((len(inputs), *sizes, inputs.shape[3])) + bias
    for row, column in np.ndindex(*sizes):
        for cell in np.ndindex(kernel.shape[:2]):
            y = row * strides + cell[0] * dilation
            x = column * strides + cell[1] * dilation
            outputs[:, row, column] += padded[:, y, x] * kernel[cell][:, 0]
    return outputs


def gradients_of(function, *values):
    """Gradients of a scalar function of arrays, by the backend."""
    if keras.backend.backend() == "jax":
        import jax

        return jax.grad(function, tuple(range(len(values))))(*values)
    if keras.backend.backend() == "torch":
        import torch

        leaves = [torch.tensor(value, requires_grad=True) for value in values]
        with torch.enable_grad():
            return [g.detach() for g in torch.autograd.grad(function(*leaves), leaves)]
    import tensorflow as tf

    with tf.GradientTape() as tape:
        leaves = [tf.Variable(value) for value in values]
        result = function(*leaves)
    return tape.gradient(result, leaves)


@pytest.mark.parametrize("window", WINDOWS)
def test_numbers_are_those_of_sums(window):
    layer, inputs = layer_and_inputs(*window)
    kernel, bias = layer.get_weights()
    found = keras.ops.convert_to_numpy(layer(inputs))
    wanted = by_sums(inputs, kernel, bias, *window[1:4])
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", WINDOWS)
def test_gradients_are_those_of_the_sums(window):
    """The layer is linear in both, so one step of any length gives the slope."""
    layer, inputs = layer_and_inputs(*window)
    kernel, bias = (value.astype("float64") for value in layer.get_weights())
    draw = np.random.default_rng(3)
    share = draw.normal(size=layer.compute_output_shape(inputs.shape))

    def total(x, weights):
        state = [weights, keras.ops.convert_to_tensor(bias.astype("float32"))]
        outputs, _ = layer.stateless_call(state, [], x)
        factors = keras.ops.convert_to_tensor(share.astype("float32"))
        return keras.ops.sum(outputs * factors)

    found = gradients_of(total, inputs, kernel.astype("float32"))
    for place, value in enumerate((inputs.astype("float64"), kernel)):
        ways = draw.normal(size=value.shape)
        both = [inputs, kernel]
        both[place] = ways
        slope = (by_sums(*both, 0.0, *window[1:4]) * share).sum()
        taken = (keras.ops.convert_to_numpy(found[place]) * ways).sum()
        np.testing.assert_allclose(taken, slope, rtol=1e-4)


@pytest.mark.parametrize("window", [(1, 1, 1, "same", (5, 6)), *WINDOWS])
def test_a_convolution_adds_up_depthwise_ones(window):
    """And so do its gradients, which a sum of outputs times drawn numbers shows."""
    layer, inputs = layer_and_inputs(*window, kind=partial(Conv2D, 4))
    weights, bias = layer.get_weights()

    def sums(x, kernel):
        channels = [
            by_sums(x, kernel[..., out, None], 0.0, *window[1:4]).sum(-1)
            for out in range(4)
        ]
        return np.stack(channels, -1)

    found = keras.ops.convert_to_numpy(layer(inputs))
    np.testing.assert_allclose(found, sums(inputs, weights) + bias, atol=1e-4)
    draw = np.random.default_rng(3)
    share = draw.normal(size=found.shape).astype("float32")

    def total(x, kernel):
        state = [kernel, keras.ops.convert_to_tensor(bias)]
        outputs, _ = layer.stateless_call(state, [], x)
        return keras.ops.sum(outputs * keras.ops.convert_to_tensor(share))

    to_x, to_kernel = gradients_of(total, inputs, weights)
    for gradient, both in (
        (to_x, [draw.normal(size=inputs.shape), weights]),
        (to_kernel, [inputs, draw.normal(size=weights.shape)]),
    ):
        ways = both[0] if gradient is to_x else both[1]
        taken = (keras.ops.convert_to_numpy(gradient) * ways).sum()
        np.testing.assert_allclose(taken, (sums(*both) * share).sum(), rtol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float16"])
def test_half_precision_is_keras_own(policy):
    """Sums are in float32, or nearly 25 roundings would add up."""
    window = (5, 2, 1, "same", (9, 8))
    ours, inputs = layer_and_inputs(*window, dtype=policy)
    kernel, bias = (value.astype("float32") for value in ours.get_weights())
    bits = 8 if "bfloat16" in policy else 11
    inputs, kernel, bias = (
        keras.ops.convert_to_numpy(
            keras.ops.cast(keras.ops.cast(value, ours.compute_dtype), "float32")
        )
        for value in (inputs, kernel, bias)
    )
    found = ours(inputs)
    assert keras.backend.standardize_dtype(found.dtype) == ours.compute_dtype
    wanted = by_sums(inputs, kernel, bias, *window[1:4])
    found = keras.ops.convert_to_numpy(keras.ops.cast(found, "float32"))
    # One rounding of the sum and one behind the bias, of numbers up to 16.
    np.testing.assert_allclose(found, wanted, atol=2 * 16 * 2.0**-bits)


def test_weights_of_keras_layer_are_read_from_its_file(tmp_path):
    window = (3, 1, 1, "same", (5, 6))
    pixels = keras.Input((5, 6, 3))
    models = [
        keras.Model(pixels, layer_and_inputs(*window, kind=kind)[0](pixels))
        for kind in (keras.layers.DepthwiseConv2D, DepthwiseConv2D)
    ]
    inputs = np.random.default_rng(0).normal(size=(1, 5, 6, 3)).astype("float32")
    wanted = models[0].predict_on_batch(inputs)
    models[0].save_weights(tmp_path / "stock.weights.h5")
    models[1].set_weights([0 * value for value in models[1].get_weights()])
    models[1].load_weights(tmp_path / "stock.weights.h5")
    np.testing.assert_allclose(models[1].predict_on_batch(inputs), wanted, atol=1e-5)
    models[1].save(tmp_path / "ours.keras")
    again = keras.models.load_model(tmp_path / "ours.keras")
    assert type(again.layers[-1]) is DepthwiseConv2D
    np.testing.assert_allclose(again.predict_on_batch(inputs), wanted, atol=1e-5)
