"""Two devices on JAX, which two logical CPUs stand in for, train as one."""

import importlib.util

import numpy as np
import pytest

from harness import tiny
from harness.children import run_program

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs JAX; CI has it"
)
TWO_CPUS = {
    "KERAS_BACKEND": "jax",
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
}

# The same training on one device and on two; then one step of a batch norm alone.
PROGRAM = """
    import csv, json, pathlib, sys
    import keras
    import numpy as np
    import tensorflow as tf
    from harness import tiny
    from keras_lraspp.layers import BatchNorm
    from keras_lraspp.models.keras_file import load_weights
    from keras_lraspp.devices import all_devices

    pictures, folder, data = map(pathlib.Path, sys.argv[1:])

    def trained(devices, batch_size):
        output = folder / str(len(devices))
        changes = dict(iterations=6, eval_interval=6, save_interval=6, log_interval=1)
        result = tiny.run(
            pictures, output, devices=devices, batch_size=batch_size, **changes
        )
        rows = csv.DictReader((output / "log.csv").read_text().splitlines())
        model = tiny.network(3)
        load_weights(model, output / "checkpoints/step_00000006.keras")
        return {
            "losses": [float(row["loss"]) for row in rows if row["loss"]],
            "miou": result.best_miou,
            "weights": [float(x) for w in model.get_weights() for x in w.ravel()],
        }

    found = {"one": trained(["cpu:0"], 4), "two": trained(["CPU:0", "CPU:1"], 2)}
    images = np.load(data)
    with all_devices() as count:
        norm = BatchNorm()
        model = keras.Sequential([keras.Input((4, 4, 2)), norm])
        model.compile("sgd", "mse")
        batches = tf.data.Dataset.from_tensors((images, images)).repeat()
        model.fit(batches, steps_per_epoch=1, verbose=0)
        found["devices"] = len(norm.moving_mean.value.sharding.device_set)
    found["count"] = count
    found["mean"] = np.asarray(norm.moving_mean).tolist()
    found["variance"] = np.asarray(norm.moving_variance).tolist()
    print(json.dumps(found))
"""


def test_two_devices_train_as_one(tmp_path):
    pictures = tiny.write_pictures(tmp_path / "pictures")
    images = np.random.default_rng(0).normal(1, 2, (4, 4, 4, 2)).astype("float32")
    images[2:] += 3  # the devices' own statistics would differ
    np.save(tmp_path / "images.npy", images)
    found = run_program(
        PROGRAM, pictures, tmp_path, tmp_path / "images.npy", **TWO_CPUS
    )
    one, two = found["one"], found["two"]
    assert len(one["losses"]) == 6
    # Sums of float32 in another order.
    np.testing.assert_allclose(two["losses"], one["losses"], rtol=1e-4)
    np.testing.assert_allclose(two["weights"], one["weights"], atol=1e-4)
    assert two["miou"] == pytest.approx(one["miou"], abs=1e-3)
    # Batch statistics are those of the whole batch, on both devices.
    assert (found["count"], found["devices"]) == (2, 2)
    pixels = images.reshape(-1, 2)
    np.testing.assert_allclose(found["mean"], 0.1 * pixels.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["variance"], 0.9 + 0.1 * pixels.var(0), rtol=1e-5)
