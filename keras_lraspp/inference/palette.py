"""Labels as colours."""

from collections.abc import Sequence

import numpy as np

Palette = Sequence[tuple[int, int, int]]

BLACK = (0, 0, 0)


def colorize(labels: np.ndarray, palette: Palette) -> np.ndarray:
    """Paints each pixel in its class's colour.

    Args:
        labels: Integer (..., H, W).
        palette: RGB, 0..255, of each class.

    Returns:
        uint8 RGB (..., H, W, 3). Pixels without a class, such as those with the
        ignore label, are black.
    """
    return np.take(color_table(palette, BLACK), class_index(labels, palette), axis=0)


def color_table(palette: Palette, rest: tuple[int, int, int]) -> np.ndarray:
    """Returns uint8 (classes + 1, 3): the palette, then the colour of no class."""
    return np.array([*palette, rest], np.uint8)


def class_index(labels: np.ndarray, palette: Palette) -> np.ndarray:
    """Returns `labels` with every value that is no class replaced by their number.

    Args:
        labels: Integers of any type; negative ones are no class.
        palette: One colour per class.

    Returns:
        Array of `labels`' shape with values 0..len(palette), a row of `color_table`.
    """
    labels = np.asarray(labels)
    # Seen as unsigned, negative values are large.
    unsigned = labels.view(labels.dtype.str.replace("i", "u"))
    if len(palette) > np.iinfo(unsigned.dtype).max:
        return unsigned  # too narrow to hold anything but classes
    return np.minimum(unsigned, unsigned.dtype.type(len(palette)))
