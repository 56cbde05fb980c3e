"""Whether an exported model does what the Keras model does."""

import numpy as np

from keras_lraspp.errors import UserError

SMALLEST_AGREEMENT = 0.999  # share of pixels with the same label


class ParityError(UserError):
    """An exported model gives other labels than the Keras model."""


def check_agreement(expected: np.ndarray, found: np.ndarray, what: str) -> float:
    """Compares labels of a Keras model with those of its exported file.

    Args:
        expected: Integer labels of the Keras model.
        found: Those of the file.
        what: The file, for the error.

    Returns:
        The share of pixels with the same label.

    Raises:
        ParityError: If it is below `SMALLEST_AGREEMENT`, or shapes differ.
    """
    if expected.shape != found.shape:
        raise ParityError(
            f"{what} gives labels {found.shape} where the Keras model gives "
            f"{expected.shape}; nothing was exported."
        )
    agreement = float(np.mean(expected == found))
    if agreement < SMALLEST_AGREEMENT:
        raise ParityError(
            f"{what} gives the Keras model's labels on {agreement:.2%} of the pixels, "
            f"less than {SMALLEST_AGREEMENT:.1%}; nothing was exported."
        )
    return agreement


def check_image(height: int, width: int) -> np.ndarray:
    """Draws a smooth, colourful picture to compare on.

    Args:
        height: In pixels.
        width: In pixels.

    Returns:
        uint8 RGB (1, height, width, 3), the same each time.
    """
    ys = np.linspace(0, 1, height)[:, None, None]
    xs = np.linspace(0, 1, width)[None, :, None]
    rng = np.random.default_rng(0)
    waves = sum(
        np.sin(2 * np.pi * (fy * ys + fx * xs + rng.uniform(size=3))) / frequency
        for frequency, (fy, fx) in enumerate(rng.uniform(-8, 8, (8, 2)), 1)
    )
    pixels = 127.5 + 127.5 * waves / np.abs(waves).max()
    return np.rint(pixels).astype(np.uint8)[None]
