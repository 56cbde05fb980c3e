"""A photograph with its labels laid over it."""

import numpy as np

from keras_lraspp.inference.palette import Palette, class_index, color_table

_FULL = 256  # weight of an opaque colour: blending shifts by 8 bits


def overlay(
    image: np.ndarray,
    labels: np.ndarray,
    palette: Palette,
    opacity: float = 0.5,
    borders: bool = True,
) -> np.ndarray:
    """Lays the classes' colours over an image, with a thin line around each region.

    Pixels without a class, such as those with the ignore label, show the image.

    Args:
        image: uint8 RGB (H, W, 3).
        labels: Integer (H, W).
        palette: RGB, 0..255, of each class.
        opacity: Weight of the colours, 0 (only the image) to 1 (only the colours).
        borders: Whether to draw the lines.

    Returns:
        uint8 RGB (H, W, 3).

    Raises:
        ValueError: For an opacity out of range, or labels of another size.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity is 0..1, not {opacity!r}.")
    if image.shape != (*labels.shape, 3):
        raise ValueError(
            f"An image {image.shape} does not go with labels {labels.shape}."
        )
    index = class_index(labels, palette)
    weight = round(_FULL * opacity)
    colors = color_table(palette, (0, 0, 0)).astype(np.uint16) * weight
    colors += _FULL // 2  # rounds
    keep = np.full((len(colors), 1), _FULL - weight, np.uint16)
    keep[-1] = _FULL
    blended = image * np.take(keep, index, axis=0)
    blended += np.take(colors, index, axis=0)
    blended >>= 8
    blended = blended.astype(np.uint8)
    if borders:
        line = region_borders(index, width=max(1, round(min(labels.shape) / 500)))
        blended[line] = _line_colors(palette)[index[line]]
    return blended


def region_borders(labels: np.ndarray, width: int = 1) -> np.ndarray:
    """Finds the pixels just inside the border between two regions.

    Args:
        labels: Integer (H, W).
        width: Thickness of the line, in pixels, to the left and above the border.

    Returns:
        bool (H, W).
    """
    border = np.zeros(labels.shape, bool)
    for step in range(1, width + 1):
        border[:, :-step] |= labels[:, :-step] != labels[:, step:]
        border[:-step] |= labels[:-step] != labels[step:]
    return border


def _line_colors(palette: Palette) -> np.ndarray:
    """Returns a light tint of each class's colour, which stands out from all."""
    colors = color_table(palette, (0, 0, 0)).astype(np.uint16)
    return ((colors + 2 * 255) // 3).astype(np.uint8)
