"""Averages of weights and sums of gradients, against NumPy and a doubled batch."""

import keras
import numpy as np
import pytest

from harness.children import run_program
from keras_lraspp.training.ema import (
    BATCHES,
    WeightAverages,
    estimate_statistics,
    statistics_of,
)
from keras_lraspp.training.optimizer import SGD

GRADIENTS = np.random.default_rng(0).normal(size=(7, 3)).astype("float32")


def array(variable):
    return np.array(keras.ops.convert_to_numpy(variable))


def one_weight():
    """A model of one kernel (3, 1), and a pair of images and targets."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, use_bias=False)])
    model.set_weights([np.array([[1.0], [-2.0], [0.5]], "float32")])
    return model


@pytest.mark.backends
@pytest.mark.parametrize("steps", [1, 3])
def test_the_average_moves_once_with_every_update(steps):
    options = {"gradient_accumulation_steps": steps} if steps > 1 else {}
    options |= {"use_ema": True, "ema_momentum": 0.8}
    optimizer = SGD(0.1, momentum=0.9, l2=0.0, **options)
    variable = keras.Variable(np.ones(3, "float32"))
    optimizer.build([variable])
    weights, momentum, average = np.ones(3), np.zeros(3), np.ones(3)
    updates = 0
    for number, gradient in enumerate(GRADIENTS, 1):
        optimizer.apply([keras.ops.convert_to_tensor(gradient)], [variable])
        if number % steps == 0:
            momentum = 0.9 * momentum + GRADIENTS[number - steps : number].mean(0)
            weights = weights - 0.1 * momentum
            average = 0.8 * average + 0.2 * weights if updates else weights
            updates += 1
        np.testing.assert_allclose(array(variable), weights, rtol=1e-5)
        found = array(optimizer._model_variables_moving_average[0])
        np.testing.assert_allclose(found, average, rtol=1e-5)


@pytest.mark.backends
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_averages_go_in_and_the_weights_come_back_to_the_bit(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = one_weight()
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(SGD(0.1, use_ema=True, ema_momentum=0.5), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    averages = WeightAverages(model, batches=list)
    inputs = np.random.default_rng(1).normal(size=(4, 3)).astype("float32")
    for _ in range(3):
        model.train_on_batch(inputs, np.ones((4, 1), "float32"))
    before = model.get_weights()[0].copy()
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    average = array(optimizer._model_variables_moving_average[0])
    with averages.in_place():
        inside = model.get_weights()[0].copy()
    assert np.array_equal(inside, average) and not np.array_equal(inside, before)
    assert np.array_equal(model.get_weights()[0], before)
    with pytest.raises(KeyError), averages.in_place():
        raise KeyError
    assert np.array_equal(model.get_weights()[0], before)
    assert np.array_equal(array(optimizer._model_variables_moving_average[0]), average)


@pytest.mark.backends
def test_an_estimate_does_not_hang_on_the_one_before():
    """A resumed run has none before, and must come to the same bits."""
    rng = np.random.default_rng(3)
    batches = [rng.normal(size=(4, 3)).astype("float32") for _ in range(BATCHES)]
    model = keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2), keras.layers.BatchNormalization()]
    )
    model.compile(SGD(0.1, use_ema=True, ema_momentum=0.5), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    averages = WeightAverages(model, batches=lambda: batches)
    found = []
    for _ in range(3):
        with averages.in_place(estimated=False):
            averages.estimate(model)
            averages.put_statistics()
            found.append([array(v) for v in statistics_of(model)])
        with averages.in_place():
            for variable, value in zip(statistics_of(model), found[0], strict=True):
                np.testing.assert_array_equal(array(variable), value)
    for later in found[1:]:
        for value, expected in zip(later, found[0], strict=True):
            np.testing.assert_array_equal(value, expected)
    assert np.abs(found[0][1] - 1).max() > 0.1  # the variance has moved


@pytest.mark.backends
def test_two_small_batches_are_one_large_one():
    rng = np.random.default_rng(2)
    images = rng.integers(0, 255, (8, 16, 16, 3)).astype("uint8")
    labels = rng.integers(0, 3, (8, 16, 16))
    found = []
    for size, options in ((4, {}), (2, {"gradient_accumulation_steps": 2})):
        keras.utils.set_random_seed(0)
        pixels = keras.Input((None, None, 3))
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
        x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(x)
        model = keras.Model(pixels, keras.layers.Conv2D(3, 1)(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(SGD(0.1, **options), loss, jit_compile=False)
        model.fit(images, labels, batch_size=size, shuffle=False, verbose=0)
        found.append(model.get_weights())
    for large, small in zip(*found, strict=True):
        np.testing.assert_allclose(large, small, atol=1e-5)


# Two logical devices, each with half of a batch of four. After an odd number of
# batches, the sums of gradients wait for their update.
REPLICAS = """
    import json
    import keras
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    from keras_lraspp.training.optimizer import SGD
    from keras_lraspp.devices import all_devices

    rng = np.random.default_rng(2)
    inputs = rng.normal(size=(12, 3)).astype("float32")
    targets = rng.normal(size=(12, 1)).astype("float32")
    results = {}
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        found = []
        for devices in (["CPU:0"], ["CPU:0", "CPU:1"]):
            with all_devices(devices):
                model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
                model.set_weights([np.array([[1.0], [-2.0], [0.5]]), np.zeros(1)])
                optimizer = SGD(
                    0.1, use_ema=True, ema_momentum=0.5, gradient_accumulation_steps=2
                )
                model.compile(optimizer, "mse", jit_compile=False)
                model.fit(inputs, targets, batch_size=4, shuffle=False, verbose=0)
            values = [np.ravel(v.numpy()).tolist() for v in optimizer.variables]
            found.append(sum(values, []))
        each = [
            [copy.numpy().ravel().tolist() for copy in v.value.values]
            for v in optimizer._accumulated_gradients
            + optimizer._model_variables_moving_average
        ]
        results[policy] = [*found, each]
    print(json.dumps(results))
"""


@pytest.fixture(scope="module")
def replicas():
    return run_program(REPLICAS)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_two_devices_sum_up_and_average_as_one(replicas, policy):
    one, two, copies = replicas[policy]
    tolerance = 1e-6 if policy == "float32" else 1e-2
    np.testing.assert_allclose(two, one, rtol=tolerance, atol=tolerance)
    assert all(first == second for first, second in copies)
    if policy == "float32":  # in float16, the first batch may be too large to count
        assert all(np.any(first) for first, _ in copies[:2])  # waits for its update


@pytest.mark.backends
def test_the_statistics_are_those_of_the_images():
    inputs = keras.Input((3,))
    norm = keras.layers.BatchNormalization(momentum=0.5)
    model = keras.Model(inputs, keras.layers.Dropout(0.1)(norm(inputs)))
    norm.moving_mean.assign([9.0, 9.0, 9.0])
    batches = np.random.default_rng(0).normal(2.0, 3.0, (BATCHES, 8, 3))
    batches = batches.astype("float32")
    means, variances = estimate_statistics(model, batches)
    found = []
    running = [np.full(3, 9.0), np.ones(3)]
    for number, batch in enumerate(batches):
        own = batch.mean(0), batch.var(0)
        running = [0.5 * a + 0.5 * b for a, b in zip(running, own, strict=True)]
        if number >= 20:
            found.append(running)
    wanted = np.mean(found, axis=0)
    np.testing.assert_allclose(means, wanted[0], rtol=1e-4)
    np.testing.assert_allclose(variances, wanted[1], rtol=1e-4)
    # The random numbers of the dropout are not among them.
    assert len(statistics_of(model)) == 2
