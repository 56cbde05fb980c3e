"""Scores as functions of counts: IoU, Dice, precision, recall, accuracy, kappa.

Counts are integers (..., C, C); rows are the truth, columns the prediction. The
leading dimensions, if any, are kept. Where a score is 0/0 it is nan, without a warning.
"""

from collections.abc import Sequence

import numpy as np

from keras_lraspp.errors import InputError

# What becomes of a class that is neither in the labels nor in the predictions.
ABSENT = {
    "omit": "left out of the mean, as the official Cityscapes script does",
    "one": "counted as IoU 1, as PaddleSeg does",
}


def check_absent(absent: str) -> None:
    """Raises `InputError` for what is no key of `ABSENT`."""
    if absent not in ABSENT:
        raise InputError(f"absent is one of {tuple(ABSENT)}, not {absent!r}.")


def class_iou(counts: np.ndarray) -> np.ndarray:
    """Returns I / (P + L - I) of each class, float64 (..., C); nan where absent.

    I are the pixels of the class in labels and predictions both, P those in the
    predictions, L those in the labels.
    """
    return _ratio(_hits(counts), _predicted(counts) + _true(counts) - _hits(counts))


def class_dice(counts: np.ndarray) -> np.ndarray:
    """Returns 2 I / (P + L) of each class, float64 (..., C); nan where absent."""
    return _ratio(2 * _hits(counts), _predicted(counts) + _true(counts))


def class_precision(counts: np.ndarray) -> np.ndarray:
    """Returns I / P of each class, float64 (..., C); nan if it is never predicted."""
    return _ratio(_hits(counts), _predicted(counts))


def class_recall(counts: np.ndarray) -> np.ndarray:
    """Returns I / L of each class, float64 (..., C); nan if it is not in the labels."""
    return _ratio(_hits(counts), _true(counts))


def mean_of_classes(values: np.ndarray, absent: str = "omit") -> np.ndarray:
    """Returns the mean over the last axis.

    Args:
        values: float64 (..., C); nan for absent classes.
        absent: `"omit"` leaves nan out, `"one"` counts it as 1.

    Returns:
        float64 (...); nan where nothing is left to take the mean over.

    Raises:
        InputError: For another value of `absent`.
    """
    check_absent(absent)
    present = ~np.isnan(values)
    if absent == "one":
        return np.where(present, values, 1.0).mean(-1)
    return _ratio(np.where(present, values, 0.0).sum(-1), present.sum(-1))


def pixel_accuracy(counts: np.ndarray) -> np.ndarray:
    """Returns the share of pixels with the right class, float64 (...)."""
    return _ratio(_hits(counts).sum(-1), _true(counts).sum(-1))


def mean_accuracy(counts: np.ndarray) -> np.ndarray:
    """Returns the mean recall of the classes in the labels, float64 (...)."""
    return mean_of_classes(class_recall(counts))


def frequency_weighted_iou(counts: np.ndarray) -> np.ndarray:
    """Returns the IoU weighted by the classes' shares of the labels, float64 (...)."""
    true, iou = _true(counts), class_iou(counts)
    return _ratio((true * np.nan_to_num(iou)).sum(-1), true.sum(-1))


def kappa(counts: np.ndarray) -> np.ndarray:
    """Returns Cohen's kappa, (o - e) / (1 - e), float64 (...).

    o is the pixel accuracy; e is what would agree if labels and predictions had
    nothing to do with each other. nan if there is one class only and it is all right.
    """
    total = _true(counts).sum(-1)[..., None]
    # Shares, since a product of two counts may not fit into 64 bits.
    by_chance = (_ratio(_true(counts), total) * _ratio(_predicted(counts), total)).sum(
        -1
    )
    return _ratio(pixel_accuracy(counts) - by_chance, 1 - by_chance)


def merge_classes(counts: np.ndarray, groups: Sequence[int]) -> np.ndarray:
    """Adds up the classes of each group.

    Args:
        counts: (..., C, C).
        groups: Group 0..G-1 of each class.

    Returns:
        Counts of the same type, (..., G, G).
    """
    member = np.equal.outer(np.arange(max(groups) + 1), groups).astype(counts.dtype)
    return member @ counts @ member.T


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _true(counts: np.ndarray) -> np.ndarray:
    return counts.sum(-1)


def _predicted(counts: np.ndarray) -> np.ndarray:
    return counts.sum(-2)


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    missing = np.full(np.broadcast_shapes(np.shape(part), np.shape(whole)), np.nan)
    return np.divide(part, whole, out=missing, where=np.asarray(whole) > 0)
