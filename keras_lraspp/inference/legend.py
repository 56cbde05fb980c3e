"""Names beside colours: a strip to put under an overlay."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.inference.palette import Palette

_INK = (34, 34, 34)
_PAPER = (255, 255, 255)
_LETTERS = (13, 40)  # smallest and largest height beside a picture, in pixels


def with_legend(
    picture: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    palette: Palette,
) -> np.ndarray:
    """Puts a legend under a picture, with letters that suit its size.

    Args:
        picture: uint8 RGB (H, W, 3), such as an overlay.
        labels: Integers of any shape; only the classes among them are named.
        names: Name of each class.
        palette: RGB, 0..255, of each class.

    Returns:
        uint8 RGB (H + h, max(W, w), 3): the picture at the top left, unchanged. w is
        the width of the longest name.
    """
    font_size = int(np.clip(picture.shape[1] // 64, *_LETTERS))
    width = max(picture.shape[1], _longest(labels, names, font_size))
    strip = legend(labels, names, palette, width=width, font_size=font_size)
    beside = np.full((len(picture), width - picture.shape[1], 3), 255, np.uint8)
    return np.concatenate([np.concatenate([picture, beside], axis=1), strip])


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
        width: Width of the strip in pixels; a longer name is cut off.
        font_size: Height of the letters in pixels.

    Returns:
        uint8 RGB (h, width, 3); as many rows as the names need. h is 0 where there
        is no class.
    """
    present = _present(labels, names)
    font = ImageFont.load_default(font_size)
    row_height, gap = round(font_size * 1.75), font_size // 2
    places, x, row = [], gap, 0
    for label in present:
        needed = _width(names[label], font)
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


def _present(labels: np.ndarray, names: Sequence[str]) -> list[int]:
    return [int(label) for label in np.unique(labels) if 0 <= label < len(names)]


def _width(name: str, font: ImageFont.FreeTypeFont) -> int:
    """Pixels of a colour and its name."""
    return int(font.size) + int(font.size) // 4 + math.ceil(font.getlength(name))


def _longest(labels: np.ndarray, names: Sequence[str], font_size: int) -> int:
    font = ImageFont.load_default(font_size)
    widths = [_width(names[label], font) for label in _present(labels, names)]
    return max(widths, default=0) + 2 * (font_size // 2)
