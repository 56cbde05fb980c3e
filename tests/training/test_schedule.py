"""The learning rate against the recipe's formula and the reference's own rates."""

import keras
import numpy as np
import pytest

from harness import reference
from keras_lraspp.training.schedule import WarmupPolynomial, sample_rates

pytestmark = pytest.mark.backends


def test_rates_are_the_reference():
    wanted = reference.expected("reference_training.npz", "os32_global")["lrs"]
    schedule = WarmupPolynomial(0.02, 43, warmup_steps=3, warmup_rate=1e-4)
    rates = [float(schedule(step)) for step in range(8)]
    assert rates == pytest.approx(wanted.tolist(), rel=1e-6)


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1e-5),
        (500, 1e-5 + (0.005 - 1e-5) / 2),
        (1000, 0.005),
        (40_500, 0.005 * 0.5**0.9),
        (80_000, 0.0),
        (90_000, 0.0),
    ],
)
def test_the_published_schedule(step, rate):
    schedule = WarmupPolynomial(0.005, 80_000)
    assert float(schedule(step)) == pytest.approx(rate, rel=1e-5, abs=1e-12)


def test_no_warm_up_starts_at_the_top():
    assert float(WarmupPolynomial(0.1, 10, warmup_steps=0)(0)) == pytest.approx(0.1)


def test_the_decay_ends_at_the_final_rate():
    schedule = WarmupPolynomial(0.01, 1000, warmup_steps=0, final_rate=1e-4)
    rates = [float(schedule(step)) for step in (0, 1, 500, 999, 1000, 2000)]
    # Of mmengine 0.10.7's PolyLR(eta_min=1e-4, power=0.9, begin=0, end=1001).
    wanted = [0.01, 0.00999109, 0.00540528, 0.00011975, 1e-4, 1e-4]
    assert rates == pytest.approx(wanted, rel=1e-4)


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="shorter than the training of 10"):
        WarmupPolynomial(0.1, 10, warmup_steps=10)


def test_the_config_makes_the_same_schedule():
    config = WarmupPolynomial(0.1, 10, 3, 0.01, 0.5, 0.02).get_config()
    assert WarmupPolynomial.from_config(config).get_config() == config


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
