"""Learning rate schedule: linear warm-up and polynomial decay; sampled and drawn."""

from collections.abc import Callable
from typing import Annotated, NamedTuple

import keras
import numpy as np
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Bounds, Count, Index, Rate, check_call


@register_class
class WarmupPolynomial(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up, then polynomial decay to zero or a final rate.

    At step t, from 0: `warmup_rate` + (`learning_rate` - `warmup_rate`) t / w
    while t < w = `warmup_steps`; then
    `final_rate` + (`learning_rate` - `final_rate`) (1 - (t - w) / (`iterations` - w))
    ** `power`.

    Args:
        learning_rate: The highest rate, reached at the end of the warm-up.
        iterations: Number of steps of the whole training.
        warmup_steps: Number of them in the warm-up; 0 for none.
        warmup_rate: The rate of step 0, if there is a warm-up.
        power: Exponent of the decay.
        final_rate: The rate at the end. As `warmup_rate`, it is not scaled with the
            images of an update.

    Raises:
        InputError: If a value is out of its range, or the warm-up not shorter than
            the training.

    Reference:
        PaddleSeg's `lr_scheduler` of type PolynomialDecay with `warmup_iters`;
        `final_rate` is `eta_min` of mmsegmentation's PolyLR.
    """

    def __init__(
        self,
        learning_rate: Rate,
        iterations: Count,
        warmup_steps: Index = 1000,
        warmup_rate: Rate = 1e-5,
        power: Annotated[float, Bounds(0, 100)] = 0.9,
        final_rate: Rate = 0.0,
    ):
        check_call("WarmupPolynomial", WarmupPolynomial.__init__, locals())
        if not 0 <= warmup_steps < iterations:
            raise InputError(
                f"The warm-up of {warmup_steps} steps must be shorter than the "
                f"training of {iterations}; lower WarmupPolynomial.warmup_steps."
            )
        self.learning_rate = learning_rate
        self.iterations = iterations
        self.warmup_steps = warmup_steps
        self.warmup_rate = warmup_rate
        self.power = power
        self.final_rate = final_rate

    def __call__(self, step):
        """Returns the rate at `step`, a float32 scalar."""
        step = ops.cast(step, "float32")
        start, top = self.warmup_rate, self.learning_rate
        warm = start + (top - start) * step / max(self.warmup_steps, 1)
        decayed = (step - self.warmup_steps) / (self.iterations - self.warmup_steps)
        decayed = (1.0 - ops.clip(decayed, 0.0, 1.0)) ** self.power
        decayed = self.final_rate + (top - self.final_rate) * decayed
        return ops.where(step < self.warmup_steps, warm, decayed)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "iterations": self.iterations,
            "warmup_steps": self.warmup_steps,
            "warmup_rate": self.warmup_rate,
            "power": self.power,
            "final_rate": self.final_rate,
        }


_BLOCKS = "▁▂▃▄▅▆▇█"
_SAMPLES = 401  # steps that are asked for their rate


class RateCurve(NamedTuple):
    """The learning rates at some of the steps."""

    steps: np.ndarray  # int64 (n,), ascending; the first and the last step among them
    rates: np.ndarray  # float64 (n,)

    @property
    def landmarks(self) -> list[tuple[int, float]]:
        """Steps with their rates: first, highest, the quarters, and last."""
        last = len(self.steps) - 1
        places = {0, int(self.rates.argmax()), last}
        places |= {round(share * last) for share in (0.25, 0.5, 0.75)}
        return [(int(self.steps[i]), float(self.rates[i])) for i in sorted(places)]

    def drawn(self, width: int = 60) -> str:
        """Draws the curve in one line, from nothing to the highest rate."""
        parts = np.array_split(self.rates, min(width, len(self.rates)))
        top = self.rates.max()
        if not top > 0:
            return _BLOCKS[0] * len(parts)
        heights = [round(part.mean() / top * (len(_BLOCKS) - 1)) for part in parts]
        return "".join(_BLOCKS[max(height, 0)] for height in heights)


def sample_rates(schedule: Callable[[int], object], iterations: int) -> RateCurve:
    """Samples a schedule, a function of the step, over a number of steps."""
    count = min(iterations, _SAMPLES)
    steps = np.linspace(0, iterations - 1, count).round().astype(np.int64)
    rates = [keras.ops.convert_to_numpy(schedule(int(step))) for step in steps]
    return RateCurve(steps, np.array(rates, np.float64))
