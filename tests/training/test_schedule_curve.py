"""The curve that a dry run draws."""

import keras
import numpy as np
import pytest

from keras_lraspp.training.schedule import WarmupPolynomial, sample_rates

pytestmark = pytest.mark.backends


def test_the_samples_are_the_schedule_and_the_landmarks_its_turns():
    schedule = WarmupPolynomial(0.4, 1201, warmup_steps=30, warmup_rate=0.1)
    curve = sample_rates(schedule, 1201)
    assert curve.steps.tolist() == list(range(0, 1201, 3))
    wanted = [
        0.1 + 0.3 * t / 30 if t < 30 else 0.4 * (1 - (t - 30) / 1171) ** 0.9
        for t in curve.steps
    ]
    np.testing.assert_allclose(curve.rates, wanted, rtol=1e-4)
    assert [step for step, _ in curve.landmarks] == [0, 30, 300, 600, 900, 1200]


def test_a_short_training_is_sampled_at_every_step():
    decay = keras.optimizers.schedules.PiecewiseConstantDecay([0, 2], [1.0, 4.0, 2.0])
    curve = sample_rates(decay, 4)
    assert curve.landmarks == [(0, 1.0), (1, 4.0), (2, 4.0), (3, 2.0)]
    assert curve.drawn() == "▃██▅"  # 1.75, 7, 7 and 3.5 sevenths, to the even one
    assert curve.drawn(width=2) == "▅▆"  # of the means 2.5 and 3


def test_a_rate_of_zero_is_a_flat_line():
    assert sample_rates(lambda step: 0.0, 3).drawn() == "▁▁▁"
