"""Legends of segmentation pictures: colour, name and share of each class."""

import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.palettes import Palette

_PAPER, _INK, _PALE = (255, 255, 255), (34, 34, 34), (160, 160, 160)
_LETTERS = (13, 40)  # smallest and largest height beside a picture, in pixels
_COUNTED_AT_ONCE = 2**20  # pixels; each takes 8 bytes for it


def class_counts(labels: np.ndarray, classes: int) -> np.ndarray:
    """Counts the pixels of each class: int64 (classes,); what is no class is not."""
    labels = np.asarray(labels)
    if labels.dtype == np.uint8 and labels.ndim == 2:  # several times as fast
        return np.array(Image.fromarray(labels).histogram()[:classes], np.int64)
    counts = np.zeros(classes + 1, np.int64)
    flat = labels.reshape(-1)
    for start in range(0, flat.size, _COUNTED_AT_ONCE):
        part = flat[start : start + _COUNTED_AT_ONCE]
        is_class = (part >= 0) & (part < classes)
        counts += np.bincount(np.where(is_class, part, classes), minlength=classes + 1)
    return counts[:-1]


def share_text(share: float) -> str:
    """Writes a share, 0 to 1, as "12.3 %"."""
    return "<0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def with_legend(
    picture: np.ndarray,
    labels: np.ndarray,
    names: Sequence[str],
    palette: Palette,
    *,
    every: bool = False,
) -> np.ndarray:
    """Puts a legend under a picture, with letters that suit its size.

    Args:
        picture: uint8 RGB (H, W, 3), such as an overlay.
        labels: Integers of any shape, of which the shares are.
        names: Name of each class.
        palette: RGB, 0..255, of each class.
        every: As in `legend`.

    Returns:
        uint8 RGB (H + h, max(W, w), 3): the picture at the top left, unchanged. w is
        the width of the longest entry.
    """
    font_size = int(np.clip(picture.shape[1] // 64, *_LETTERS))
    entries = _Entries(labels, names, font_size, every)
    width = max(picture.shape[1], entries.width)
    strip = entries.draw(palette, width)
    beside = np.full((len(picture), width - picture.shape[1], 3), 255, np.uint8)
    return np.concatenate([np.concatenate([picture, beside], axis=1), strip])


def legend(
    labels: np.ndarray,
    names: Sequence[str],
    palette: Palette,
    *,
    width: int,
    font_size: int = 16,
    every: bool = False,
) -> np.ndarray:
    """Draws a strip with colour, name and share of each class that is there.

    Args:
        labels: Integers of any shape, of which the shares are.
        names: Name of each class.
        palette: RGB, 0..255, of each class.
        width: Width of the strip in pixels; a longer entry is cut off.
        font_size: Height of the letters in pixels.
        every: Whether to name all classes, in their order and each at its place
            whatever the labels, as the frames of a video need; otherwise those among
            the labels, the largest first.

    Returns:
        uint8 RGB (h, width, 3); as many rows as the names need. h is 0 where there
        is no class.
    """
    return _Entries(labels, names, font_size, every).draw(palette, width)


class _Entries:
    """The entries of a legend, and how wide they are."""

    def __init__(
        self, labels: np.ndarray, names: Sequence[str], font_size: int, every: bool
    ):
        counts = class_counts(labels, len(names))
        order = np.argsort(-counts, kind="stable")
        self.labels = range(len(names)) if every else order[counts[order] > 0]
        self.names = [names[label] for label in self.labels]
        self.shares = [counts[label] / max(np.size(labels), 1) for label in self.labels]
        self.font = ImageFont.load_default(font_size)
        self.gap = font_size // 2
        self.named = max(map(self._length, self.names), default=0)
        # In a video the longest that may come.
        shares = ["100.0 %", "<0.1 %"] if every else map(share_text, self.shares)
        self.counted = max(map(self._length, shares), default=0)
        self.swatch = font_size + font_size // 4
        self.entry = self.swatch + self.named + self.gap + self.counted
        self.width = self.entry + 2 * self.gap

    def _length(self, text: str) -> int:
        return math.ceil(self.font.getlength(text))

    def draw(self, palette: Palette, width: int) -> np.ndarray:
        """Draws them in columns, row by row."""
        size, gap = int(self.font.size), self.gap
        between = 3 * gap
        columns = max(1, (width - 2 * gap + between) // (self.entry + between))
        height = round(size * 1.75)
        strip = Image.new(
            "RGB", (width, -(-len(self.names) // columns) * height), _PAPER
        )
        draw = ImageDraw.Draw(strip)
        for place, label in enumerate(self.labels):
            left = gap + place % columns * (self.entry + between)
            middle = place // columns * height + height // 2
            top, share = middle - size // 2, self.shares[place]
            swatch = (left, top, left + size - 1, top + size - 1)
            draw.rounded_rectangle(swatch, size // 5, fill=tuple(palette[label]))
            style = {"font": self.font, "fill": _INK if share else _PALE}
            start = left + self.swatch
            draw.text((start, middle), self.names[place], anchor="lm", **style)
            right = left + self.entry
            draw.text((right, middle), share_text(share), anchor="rm", **style)
        return np.array(strip)
