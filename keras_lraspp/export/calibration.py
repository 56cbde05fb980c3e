"""Calibration of int8 exports: images, and the ranges of activations on them."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from keras_lraspp.errors import InputError

CALIBRATION_IMAGES = 200  # at most; more change nothing
_NUMBERS = 4096  # that an activation keeps of an image, about; evenly spaced
_PARTS = np.linspace(0.3, 1.0, 29)  # of the largest value, tried as limits

Range = tuple[float, float]  # the lowest and the highest value


def representative_images(images: Iterable[np.ndarray] | None) -> list[np.ndarray]:
    """Returns the first images, uint8 (H, W, C); raises InputError for none."""
    images = () if images is None else images
    chosen = list(itertools.islice(images, CALIBRATION_IMAGES))
    if not chosen:
        raise InputError(
            'precision="int8" needs representative images, uint8 (H, W, C), to see the '
            "ranges of values on; give about 100 of the training set."
        )
    return chosen


def activation_ranges(
    batches: Iterable[Mapping[str, np.ndarray]],
) -> dict[str, Range]:
    """Returns the ranges that 256 steps represent activations best in, by name.

    Each batch has the activations of some images, float32. A range has the least mean
    squared error on a sample of the values: that of rounding inside, and of clipping
    outside. It holds 0.
    """
    samples: dict[str, list[np.ndarray]] = {}
    ends: dict[str, Range] = {}
    for batch in batches:
        for name, values in batch.items():
            flat = values.reshape(-1)
            low, high = ends.get(name, (0.0, 0.0))
            ends[name] = min(low, float(flat.min())), max(high, float(flat.max()))
            step = max(1, flat.size // _NUMBERS) | 1  # odd: not always one channel
            samples.setdefault(name, []).append(flat[::step].copy())
    return {
        name: least_error_range(np.concatenate(samples[name]), *ends[name])
        for name in ends
    }


def least_error_range(values: Sequence[float], low: float, high: float) -> Range:
    """Returns the limits within [low, high] of the least mean squared error."""

    def error(low: float, high: float) -> float:
        scale = max((high - low) / 255, 1e-9)
        zero = np.rint(-low / scale)
        steps = np.clip(np.rint(np.divide(values, scale)) + zero, 0, 255)
        return float(np.mean(np.square((steps - zero) * scale - values)))

    lows, highs = ({*(end * _PARTS).tolist()} for end in (low, high))
    for _ in range(2):  # each end depends on the other
        high = min(sorted(highs), key=lambda end: error(low, end))
        low = min(sorted(lows), key=lambda end: error(end, high))
    return low, high
