"""The learning rate over a training, as a few numbers and one line of text."""

from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

_BLOCKS = "▁▂▃▄▅▆▇█"
_SAMPLES = 401  # steps that are asked for their rate


class RateCurve(NamedTuple):
    """The rates at some of the steps.

    Attributes:
        steps: int64 (n,), ascending; the first and the last step among them.
        rates: float64 (n,).
    """

    steps: np.ndarray
    rates: np.ndarray

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
    """Asks a schedule for its rates.

    Args:
        schedule: Returns the rate at a step, from 0.
        iterations: Number of steps.
    """
    count = min(iterations, _SAMPLES)
    steps = np.linspace(0, iterations - 1, count).round().astype(np.int64)
    rates = [keras.ops.convert_to_numpy(schedule(int(step))) for step in steps]
    return RateCurve(steps, np.array(rates, np.float64))
