"""BatchNorm against NumPy and against Keras's own layer."""

import keras
import numpy as np
import pytest

from keras_lraspp.layers import BatchNorm

pytestmark = pytest.mark.backends


@pytest.fixture
def inputs():
    rng = np.random.default_rng(0)
    return rng.normal(2.0, 3.0, (2, 5, 7, 4)).astype("float32")


def randomize(layer, seed=1):
    """Gives all four vectors values that are neither 0 nor 1."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.uniform(0.5, 1.5, w.shape) for w in layer.get_weights()])


def built(layer, inputs):
    layer.build(inputs.shape)
    randomize(layer)
    return layer


def test_training_normalises_with_the_batch_and_moves_by_the_biased_variance(inputs):
    layer = built(BatchNorm(momentum=0.9, epsilon=1e-5), inputs)
    gamma, beta, mean, variance = layer.get_weights()
    outputs = keras.ops.convert_to_numpy(layer(inputs, training=True))

    wide = inputs.astype("float64")
    batch_mean, batch_variance = wide.mean((0, 1, 2)), wide.var((0, 1, 2))
    wanted = gamma * (wide - batch_mean) / np.sqrt(batch_variance + 1e-5) + beta
    np.testing.assert_allclose(outputs, wanted, atol=2e-5)
    moved = layer.get_weights()[2:]
    np.testing.assert_allclose(moved[0], 0.9 * mean + 0.1 * batch_mean, rtol=1e-5)
    np.testing.assert_allclose(
        moved[1], 0.9 * variance + 0.1 * batch_variance, rtol=1e-5
    )


@pytest.mark.parametrize(("policy", "bits"), [("bfloat16", 8), ("float16", 11)])
def test_half_precision_is_float32_rounded(inputs, policy, bits):
    """Weights too are in half precision; sums over the batch are not."""
    half = built(BatchNorm(dtype=policy), inputs)
    full = BatchNorm(dtype="float32")
    full.build(inputs.shape)
    full.set_weights([value.astype("float32") for value in half.get_weights()])
    rounded = keras.ops.cast(inputs, policy)
    for training in (True, False):
        wanted, found = (
            keras.ops.convert_to_numpy(
                keras.ops.cast(layer(rounded, training=training), "float32")
            )
            for layer in (full, half)
        )
        np.testing.assert_allclose(found, wanted, 2.0 ** (1 - bits), 2.0**-bits)
        for ours, theirs in zip(half.get_weights(), full.get_weights(), strict=True):
            ours = ours.astype("float32")
            np.testing.assert_allclose(ours, theirs, 2.0 ** (1 - bits))


@pytest.mark.parametrize("trainable", [True, False])
def test_inference_and_frozen_layers_use_the_running_values(inputs, trainable):
    layer = built(BatchNorm(), inputs)
    layer.trainable = trainable
    gamma, beta, mean, variance = weights = layer.get_weights()
    outputs = keras.ops.convert_to_numpy(layer(inputs, training=not trainable))
    wanted = gamma * (inputs - mean) / np.sqrt(variance + 1e-5) + beta
    np.testing.assert_allclose(outputs, wanted, atol=2e-5)
    for before, after in zip(weights, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("trainable", [True, False])
def test_training_a_model_equals_keras_layer(inputs, trainable):
    """One step of SGD on each: outputs, gradients and running values agree."""
    results = []
    for layer_class in (BatchNorm, keras.layers.BatchNormalization):
        layer = built(layer_class(momentum=0.9, epsilon=1e-5), inputs)
        layer.trainable = trainable
        before = keras.layers.Conv2D(4, 1, kernel_initializer="ones")
        model = keras.Sequential([keras.Input((5, 7, 4)), before, layer])
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        model.train_on_batch(inputs, np.tanh(inputs))
        results.append(model.get_weights())
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_floats_keep_their_dtype_and_float32_statistics(inputs, dtype):
    layer = built(BatchNorm(dtype=f"mixed_{dtype}"), inputs)
    outputs = layer(keras.ops.cast(inputs, dtype), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == dtype
    assert {weight.dtype for weight in layer.weights} == {"float32"}
    outputs = keras.ops.convert_to_numpy(keras.ops.cast(outputs, "float32"))
    gamma, beta = layer.get_weights()[:2]
    wanted = gamma * (inputs - inputs.mean((0, 1, 2))) / inputs.std((0, 1, 2)) + beta
    np.testing.assert_allclose(outputs, wanted, atol=0.05)


def test_the_config_makes_the_same_layer():
    layer = BatchNorm(momentum=0.8, epsilon=1e-3, synchronized=True, name="bn")
    assert BatchNorm.from_config(layer.get_config()).get_config() == layer.get_config()
    assert layer.get_config()["synchronized"]


@pytest.mark.parametrize(
    "options", [{"axis": 1}, {"axis": -2}, {"axis": 3}, {"scale": False}]
)
@pytest.mark.parametrize("training", [True, False])
def test_other_arguments_do_what_they_do_in_keras(inputs, options, training):
    results = []
    for layer_class in (BatchNorm, keras.layers.BatchNormalization):
        layer = built(layer_class(momentum=0.9, epsilon=1e-5, **options), inputs)
        outputs = layer(inputs, training=training)
        results.append([keras.ops.convert_to_numpy(outputs), *layer.get_weights()])
    for ours, theirs in zip(*results, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_keras_without_batch_renormalization(inputs):
    """As Keras 3.12, whose layer has no such attribute."""
    layer = built(BatchNorm(), inputs)
    if keras.backend.backend() != "jax" and hasattr(layer, "renorm"):  # or Keras runs
        del layer.renorm
    outputs = keras.ops.convert_to_numpy(layer(inputs, training=True))
    gamma, beta = layer.get_weights()[:2]
    wanted = gamma * (inputs - inputs.mean((0, 1, 2))) / inputs.std((0, 1, 2)) + beta
    np.testing.assert_allclose(outputs, wanted, atol=1e-4)
