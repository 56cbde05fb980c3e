"""Labels by several options at once, each pass over the image made only once."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_lraspp.inference.compiling import arg_max
from keras_lraspp.inference.labels import checked_function, label_dtype
from keras_lraspp.inference.options import InferenceOptions
from keras_lraspp.inference.scoring import after, summed_logits


def nested_label_function(
    model: keras.Model, nested: Sequence[InferenceOptions]
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes the function that turns images into labels by each of several options.

    Options without flip, with flip, and with flip and more scales share passes: plain
    is a part of flip, and that of multi-scale. Nine passes become six.

    Args:
        model: As for `label_function`.
        nested: Options; none with a sliding window.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns a NumPy array
        (options, B, H, W): uint8 up to 256 classes, int32 above. It raises InputError
        as `label_function`'s.
    """
    dtype = label_dtype(model)
    passes = {one: [one in _passes(row) for row in nested] for one in _all(nested)}

    def compute(network, images):
        totals = [None] * len(nested)
        for (scale, mirrored), wanted in passes.items():
            logits = _one_pass(network, images, scale, mirrored)
            images = after(images, logits)
            for index in np.flatnonzero(wanted):
                total = totals[index]
                totals[index] = logits if total is None else total + logits
        return keras.ops.stack([arg_max(total, dtype) for total in totals])

    return checked_function(model, nested, compute)


def _one_pass(network, images, scale: float, mirrored: bool):
    """Returns float32 logits of the image's size."""
    if mirrored:
        images = keras.ops.flip(images, axis=2)
    logits = summed_logits(network, images, InferenceOptions(scales=(scale,)))
    logits = keras.ops.cast(logits, "float32")
    return keras.ops.flip(logits, axis=2) if mirrored else logits


def _passes(options: InferenceOptions) -> list[tuple[float, bool]]:
    sides = (False, True) if options.flip else (False,)
    return [(scale, mirrored) for scale in options.scales for mirrored in sides]


def _all(nested: Sequence[InferenceOptions]) -> list[tuple[float, bool]]:
    return list(dict.fromkeys(one for row in nested for one in _passes(row)))
