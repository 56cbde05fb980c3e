"""The learning rate against the recipe's formula and the reference's own rates."""

import pytest

from harness import reference
from keras_lraspp.training.schedule import WarmupPolynomial

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


def test_a_warm_up_longer_than_the_training_is_refused():
    with pytest.raises(ValueError, match="shorter than the training of 10"):
        WarmupPolynomial(0.1, 10, warmup_steps=10)


def test_the_config_makes_the_same_schedule():
    config = WarmupPolynomial(0.1, 10, 3, 0.01, 0.5).get_config()
    assert WarmupPolynomial.from_config(config).get_config() == config
