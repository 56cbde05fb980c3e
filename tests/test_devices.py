"""Several devices: none set up where there is one, and two that train as one."""

import keras
import numpy as np
import pytest

from harness.children import run_program
from keras_lraspp.devices import all_devices


@pytest.mark.backends
def test_one_device_sets_nothing_up():
    with all_devices() as count:
        assert count == 1
        assert keras.distribution.distribution() is None


# Each replica sees its own half: batch norm in the backbone is per device, in the head
# synchronised, losses are per device, gradients are averaged.
TWO_DEVICES = """
    import json, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    import keras
    from keras_lraspp.layers import BatchNorm
    from keras_lraspp.losses import OhemCrossEntropy
    from keras_lraspp.training.optimizer import SGD
    from keras_lraspp.devices import all_devices

    data = np.load(sys.argv[1])

    def step():
        own, shared = BatchNorm(name="own"), BatchNorm(name="shared", synchronized=True)
        classes = keras.layers.Conv2D(3, 1, kernel_initializer="ones", dtype="float32")
        model = keras.Sequential([keras.Input((4, 4, 2)), own, shared, classes])
        model.compile(SGD(0.1), OhemCrossEntropy(min_kept=20), jit_compile=False)
        batches = tf.data.Dataset.from_tensors((data["images"], data["labels"]))
        history = model.fit(batches.repeat(), steps_per_epoch=1, verbose=0)
        means, variances = own.moving_mean.numpy(), own.moving_variance.numpy()
        return {
            "loss": history.history["loss"][0],
            "kernel": classes.kernel.numpy().ravel().tolist(),
            "own": [*means.tolist(), *variances.tolist()],
            "shared": shared.moving_variance.numpy().tolist(),
        }

    seen = {}
    for policy in ("float32", "mixed_float16"):
        keras.config.set_dtype_policy(policy)
        with all_devices(["CPU:0", "CPU:1"]) as count:
            seen[policy] = {"count": count, **step()}
    print(json.dumps(seen))
"""


def by_hand(images, labels):
    """The same step for two replicas, in NumPy."""
    halves, labels = images.reshape(2, -1, 2), labels.reshape(2, -1)
    own = [(half.mean(0), half.var(0)) for half in halves]
    x = np.stack(
        [
            (half - mean) / np.sqrt(variance + 1e-5)
            for half, (mean, variance) in zip(halves, own, strict=True)
        ]
    )
    shared = x.reshape(-1, 2)
    shared_variance = shared.var(0)
    x = (x - shared.mean(0)) / np.sqrt(shared_variance + 1e-5)
    losses, gradients = [], []
    for half, truth in zip(x, labels, strict=True):
        logits = half @ np.ones((2, 3))
        p = np.exp(logits - logits.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
        pixel_losses = -np.log(p[np.arange(len(truth)), truth])
        confidence = np.exp(-pixel_losses)
        kept = confidence < max(np.sort(confidence)[19], 0.7)
        divisor = kept.sum() + 1e-5 * len(truth)
        losses.append((pixel_losses * kept).sum() / divisor)
        gradients.append(half.T @ ((p - np.eye(3)[truth]) * kept[:, None]) / divisor)
    kernel = np.ones((2, 3)) - 0.1 * (np.mean(gradients, 0) + 5e-4)
    # What is saved are the first replica's statistics, as the reference's are.
    mean, variance = own[0]
    return {
        "loss": np.mean(losses),
        "kernel": kernel.ravel(),
        "own": [*(0.1 * mean), *(0.9 + 0.1 * variance)],
        "shared": 0.9 + 0.1 * shared_variance,
    }


@pytest.fixture(scope="module")
def seen_and_wanted(tmp_path_factory):
    """What two devices gave, by policy, and the step by hand."""
    rng = np.random.default_rng(0)
    images = rng.normal(1, 2, (4, 4, 4, 2)).astype("float32")
    images[2:] += 3  # the replicas' statistics differ
    labels = rng.integers(0, 3, (4, 4, 4)).astype("uint8")
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, images=images, labels=labels)
    return run_program(TWO_DEVICES, path), by_hand(images.astype("float64"), labels)


def test_two_devices_take_the_step_of_the_recipe(seen_and_wanted):
    seen, wanted = seen_and_wanted[0]["float32"], seen_and_wanted[1]
    assert seen.pop("count") == 2
    assert len(seen) == 4
    for name, value in seen.items():
        np.testing.assert_allclose(value, wanted[name], rtol=1e-4, err_msg=name)


def test_two_devices_in_half_precision(seen_and_wanted):
    seen, wanted = seen_and_wanted[0]["mixed_float16"], seen_and_wanted[1]
    assert seen["count"] == 2
    assert seen["loss"] == pytest.approx(wanted["loss"], rel=0.01)
    np.testing.assert_allclose(seen["kernel"], wanted["kernel"], rtol=0.01)
