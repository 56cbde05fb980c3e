"""The Keras metric on two devices: each counts its part, the sum is the score."""

import numpy as np
import pytest

from harness.children import run_program
from keras_lraspp.metrics import ConfusionMatrix

PROGRAM = """
    import json, sys
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    import keras
    from keras_lraspp.metrics import MeanIoU
    from keras_lraspp.devices import all_devices

    data = np.load(sys.argv[1])
    with all_devices(["CPU:0", "CPU:1"]) as count:
        model = keras.Sequential([keras.Input((5, 6, 4)), keras.layers.Rescaling(2.0)])
        loss = keras.losses.SparseCategoricalCrossentropy(True, ignore_class=255)
        model.compile(loss=loss, metrics=[MeanIoU(4)], jit_compile=False)
        pairs = tf.data.Dataset.from_tensor_slices((data["logits"], data["labels"]))
        found = model.evaluate(pairs.batch(4), verbose=0, return_dict=True)
    print(json.dumps({"count": count, **found}))
"""


def test_two_devices_give_the_score_of_the_whole(tmp_path):
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 2, 255], (8, 5, 6)).astype("uint8")
    logits = rng.normal(size=(8, 5, 6, 4)).astype("float32")
    np.savez(tmp_path / "data.npz", labels=labels, logits=logits)
    found = run_program(PROGRAM, tmp_path / "data.npz")
    whole = ConfusionMatrix(4)
    whole.update(labels, logits.argmax(-1))
    assert found["count"] == 2
    assert found["miou"] == pytest.approx(whole.miou(), abs=1e-6)
