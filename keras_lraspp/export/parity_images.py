"""What an exported model is compared on."""

from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image


def check_sizes(
    model: keras.Model, sides: Sequence[int | None]
) -> list[tuple[int, int]]:
    """Returns the sizes to compare at: the fixed one, or two odd ones."""
    smallest = getattr(model, "smallest_side", 1)
    heights, widths = max(smallest, 97), max(smallest, 161)
    sizes = [
        (sides[0] or heights + grown, sides[1] or widths + grown) for grown in (0, 30)
    ]
    return sizes[:1] if None not in sides else sizes


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


def fitted(image: np.ndarray, sides: Sequence[int | None]) -> np.ndarray:
    """Makes an image fit a file.

    Args:
        image: uint8 RGB (H, W, 3).
        sides: Height and width; `None` where the image's own will do.

    Returns:
        uint8 RGB (1, *sides, 3), resized if need be.
    """
    height, width = (
        fixed or own for fixed, own in zip(sides, image.shape[:2], strict=True)
    )
    if image.shape[:2] != (height, width):
        resized = Image.fromarray(image).resize((width, height), Image.BILINEAR)
        image = np.asarray(resized)
    return image[None]
