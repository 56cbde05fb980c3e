"""Losses on two devices of one machine: each its own, divided by their number."""

import numpy as np
import pytest

from harness.children import run_program

# A batch for each of two replicas; prints the losses of each alone, and in a replica.
TWO_DEVICES = """
    import json, os
    import numpy as np
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(
        cpu, [tf.config.LogicalDeviceConfiguration()] * 2
    )
    from keras_lraspp.losses import CombinedLoss, CrossEntropy, DiceLoss, FocalLoss
    from keras_lraspp.losses import LovaszSoftmax, OhemCrossEntropy

    losses = {
        "weighted": CrossEntropy(class_weights=[1, 2, 3]),
        "ohem": OhemCrossEntropy(min_kept=9, class_weights=[1, 2, 3]),
        "focal": FocalLoss(),
        "dice": DiceLoss(),
        "lovasz": LovaszSoftmax(per_image=True),
        "combined": CombinedLoss([CrossEntropy, DiceLoss]),
    }
    draw = np.random.default_rng(0)
    logits = tf.constant(draw.normal(size=(2, 2, 5, 6, 3)), "float32")
    labels = tf.constant(draw.integers(0, 3, (2, 2, 5, 6)))
    alone = {
        name: [float(loss(labels[i], logits[i])) for i in range(2)]
        for name, loss in losses.items()
    }

    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

    def of_replica():
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        mine = labels[index], logits[index]
        return {name: loss(*mine) for name, loss in losses.items()}

    there = strategy.run(tf.function(of_replica))
    there = {
        name: [float(value) for value in strategy.experimental_local_results(values)]
        for name, values in there.items()
    }
    print(json.dumps([alone, there]))
"""


def test_each_replica_gives_its_share():
    alone, there = run_program(TWO_DEVICES)
    assert len(alone) == 6
    for name, values in alone.items():
        assert values[0] != pytest.approx(values[1], rel=1e-3)
        np.testing.assert_allclose(there[name], np.divide(values, 2), rtol=1e-5)
