"""Running statistics that are estimated anew, against NumPy."""

import keras
import numpy as np
import pytest

from keras_lraspp.training.ema import BATCHES, estimate_statistics, statistics_of


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
