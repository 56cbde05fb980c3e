"""What the losses share: valid labels, weights of classes, means over pixels."""

from collections.abc import Sequence

import numpy as np
from keras import ops

from keras_lraspp.errors import InputError

# The reference's guard against a division by zero, as a share of all pixels.
_EPSILON = 1e-5


def valid_labels(y_true, ignore_label: int | None):
    """Separates the pixels that count from the ignored ones.

    Args:
        y_true: Labels (B, H, W) of any number type.
        ignore_label: Label value that does not count; `None` if all count.

    Returns:
        int32 labels (B, H, W), 0 where ignored, and a mask (B, H, W), true where the
        pixel counts.
    """
    labels = ops.cast(y_true, "int32")
    if ignore_label is None:
        return labels, ops.ones_like(labels, dtype="bool")
    valid = ops.not_equal(labels, ignore_label)
    return ops.where(valid, labels, 0), valid


def checked_weights(name: str, weights: Sequence[float] | None) -> list[float] | None:
    """Checks weights as far as is possible without knowing how many there must be.

    Args:
        name: What they are, for the message, such as `"CrossEntropy.class_weights"`.
        weights: Numbers, or `None`.

    Returns:
        The same as a list of floats, or `None`.

    Raises:
        InputError: If they are not finite numbers, not below 0 and not all 0.
    """
    if weights is None:
        return None
    try:
        numbers = np.asarray(weights, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)
    fits = numbers.ndim == 1 and np.isfinite(numbers).all() and (numbers >= 0).all()
    if not fits or not numbers.any():
        raise InputError(
            f"{name} is a list of finite numbers, none below 0 and not all 0, not "
            f"{weights!r}."
        )
    return numbers.tolist()


def class_weights_of(labels, weights: Sequence[float], classes: int, owner: str):
    """Looks up the weight of each pixel's class.

    The weights are scaled to a mean of 1 over the classes. In a weighted mean that
    changes nothing, but `mean_over`'s guard stays small for small weights too.

    Args:
        labels: int32 (B, H, W), from 0 to `classes` - 1.
        weights: As `checked_weights` returns them.
        classes: Number of classes of the logits.
        owner: Name of the loss, for the message.

    Returns:
        float32 (B, H, W).

    Raises:
        InputError: If there are not as many weights as classes.
    """
    if len(weights) != classes:
        raise InputError(
            f"{owner}.class_weights has {len(weights)} numbers for {classes} classes; "
            "give one for each class."
        )
    scaled = np.asarray(weights) / np.mean(weights)
    return ops.take(ops.convert_to_tensor(scaled, dtype="float32"), labels)


def mean_over(losses, weights):
    """Weighted mean over the pixels, as (1,): Keras scales vectors by replicas.

    Args:
        losses: Floats (B, H, W).
        weights: Mask or floats (B, H, W), 0 where a pixel does not count.

    Returns:
        Vector of one; 0 if all weights are 0.
    """
    weights = ops.cast(weights, losses.dtype)
    pixels = ops.cast(ops.prod(ops.shape(weights)), losses.dtype)
    mean = ops.sum(losses * weights) / (ops.sum(weights) + _EPSILON * pixels)
    return ops.reshape(mean, (1,))
