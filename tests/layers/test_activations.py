"""Hard-swish, hard gate and channel scaling against NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from harness.gradients import gradient_of
from keras_lraspp.layers import BatchNorm, HardGate, HardSwish, ScaleChannels
from keras_lraspp.layers.cpu_fusion import get_remat

pytestmark = pytest.mark.backends


X = np.linspace(-6, 6, 96, dtype=np.float32).reshape(2, 3, 4, 4)


UPSTREAM = np.random.default_rng(0).normal(size=X.shape).astype(np.float32)


def expected(x):
    return x * np.clip(x + 3, 0, 6) / 6


def slope(x):
    return np.where(x <= -3, 0, np.where(x >= 3, 1, x / 3 + 0.5))


@pytest.mark.parametrize("training", [False, True])
def test_values_and_gradients(training):
    layer = HardSwish()
    found = ops.convert_to_numpy(layer(X, training=training))
    np.testing.assert_allclose(found, expected(X), atol=1e-6)
    found = gradient_of(
        lambda x: ops.sum(ops.multiply(layer(x, training=training), UPSTREAM)), X
    )
    np.testing.assert_allclose(found, UPSTREAM * slope(X), atol=1e-6)


def test_behind_batch_norm_it_learns_the_same():
    """The gradients of all of a block, against Keras's own layers."""
    plain = keras.layers.BatchNormalization(epsilon=1e-5)
    blocks = [
        (BatchNorm(), HardSwish(), ScaleChannels()),
        (plain, keras.layers.Activation("hard_swish"), keras.layers.Multiply()),
    ]

    def loss(block, x):
        norm, activation, scale = block
        y = activation(norm(x, training=True), training=True)
        gate = ops.sigmoid(ops.mean(y, axis=(1, 2), keepdims=True))
        return ops.sum(ops.multiply(scale([y, gate], training=True), UPSTREAM))

    ours, kerass = (
        gradient_of(lambda x, block=block: loss(block, x), X * 3) for block in blocks
    )
    assert np.abs(kerass).max() > 0.05
    np.testing.assert_allclose(ours, kerass, atol=2e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's way")
def test_what_is_remembered_is_what_was_computed():
    import tensorflow as tf

    norm, activation = BatchNorm(), HardSwish()
    x = tf.constant(X)
    for outputs in (y := norm(x, training=True), activation(y, training=True)):
        function, tensors = get_remat(outputs)
        np.testing.assert_allclose(function(*tensors), outputs, atol=1e-5)
        assert tensors[0] is x
    assert get_remat(norm(x, training=False)) is None


def test_a_model_with_it_is_saved_and_loaded(tmp_path):
    inputs = keras.Input((3, 4, 4))
    outputs = HardSwish(name="act")(inputs)
    outputs = ScaleChannels(name="scale")([outputs, outputs[:, :1, :1]])
    model = keras.Model(inputs, outputs)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.get_layer("act"), HardSwish)
    assert isinstance(loaded.get_layer("scale"), ScaleChannels)
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_slope_is_a_fifth_between_the_ends():
    inputs = np.array([[-9.0, -2.5, -1.0, 0.0, 2.0, 2.5, 9.0]], "float32")
    outputs = keras.ops.convert_to_numpy(HardGate()(inputs))
    np.testing.assert_allclose(outputs, [[0, 0, 0.3, 0.5, 0.9, 1, 1]], atol=1e-6)


def test_the_slope_can_be_that_of_others():
    layer = HardGate.from_config(HardGate(1 / 6).get_config())
    outputs = keras.ops.convert_to_numpy(layer(X))
    np.testing.assert_allclose(outputs, np.clip(X + 3, 0, 6) / 6, atol=1e-6)
