"""Names beside colours: a strip to put under an overlay."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.inference.palette import Palette

_INK = (34, 34, 34)
_PAPER = (255, 255, 255)


def legend(
    labels: np.ndarray,
    names: Sequence[str],
    palette: Palette,
    *,
    width: int,
    font_size: int = 16,
) -> np.ndarray:
    """Draws a strip with the name and colour of each class that is there.

    Args:
        labels: Integers of any shape; only the classes among them are named.
        names: Name of each class.
        palette: RGB, 0..255, of each class.
        width: Width of the strip in pixels.
        font_size: Height of the letters in pixels.

    Returns:
        uint8 RGB (h, width, 3); as many rows as the names need. h is 0 where there
        is no class.
    """
    present = [int(label) for label in np.unique(labels) if 0 <= label < len(names)]
    font = ImageFont.load_default(font_size)
    row_height, gap = round(font_size * 1.75), font_size // 2
    places, x, row = [], gap, 0
    for label in present:
        needed = font_size + gap // 2 + round(font.getlength(names[label]))
        if x > gap and x + needed + gap > width:
            x, row = gap, row + 1
        places.append((label, x, row * row_height))
        x += needed + 2 * gap
    height = (row + 1) * row_height if present else 0
    strip = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(strip)
    for label, left, top in places:
        middle = top + row_height // 2
        upper = middle - font_size // 2
        swatch = (left, upper, left + font_size - 1, upper + font_size - 1)
        draw.rounded_rectangle(swatch, font_size // 5, fill=tuple(palette[label]))
        start = left + font_size + gap // 2
        draw.text((start, middle), names[label], fill=_INK, font=font, anchor="lm")
    return np.array(strip)
