"""Weights that balance rare and frequent classes."""

import numpy as np

# In a few words, for who reads the numbers.
FORMULA = (
    "median frequency balancing (Eigen and Fergus, 2015): median of the classes' "
    "frequencies / frequency, the frequency being the share of a class among the "
    "pixels that count in images where it occurs"
)


def class_weights(pixels: np.ndarray) -> np.ndarray:
    """Suggests weights that balance rare and frequent classes.

    Median frequency balancing: the frequency of a class is its share of the pixels that
    count in those images where it occurs; its weight is the median of all classes'
    frequencies divided by its own.

    Args:
        pixels: Integers (images, classes + 1), ignored pixels last.

    Returns:
        float64 (classes,); nan for classes that do not occur.

    Reference:
        Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a
        Common Multi-Scale Convolutional Architecture", ICCV 2015, section 6.3.2.
    """
    counts = pixels[:, :-1].astype(np.float64)
    present = counts > 0
    around = (present * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = np.full(counts.shape[1], np.nan)
    np.divide(counts.sum(axis=0), around, out=frequency, where=around > 0)
    if np.isnan(frequency).all():
        return frequency
    return np.nanmedian(frequency) / frequency
