"""Calibration images of int8 exports: those that ranges of values are seen on."""

import itertools
from collections.abc import Iterable

import numpy as np

from keras_lraspp.errors import InputError

CALIBRATION_IMAGES = 200  # at most; more change nothing


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
