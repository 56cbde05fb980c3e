"""The memory of a step: its parts by hand, and their sum against a real process."""

import keras
import pytest

from harness import tiny
from harness.children import run_program
from keras_lraspp.models.summary import estimate_step
from keras_lraspp.training.optimizer import SGD


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
    from keras_lraspp.training.losses import OhemCrossEntropy
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
