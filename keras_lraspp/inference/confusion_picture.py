"""A confusion matrix as a picture: which class is taken for which."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_INK = (34, 34, 34)
_FAINT = (110, 110, 110)
_PAPER = (255, 255, 255)
_LINE = (225, 225, 225)
_EMPTY = (240, 240, 240)  # rows without a pixel
_FULL = (8, 64, 129)  # cells with all of a row's pixels
_MARGIN = 24
_LARGEST = 4000  # of the matrix's side in pixels, however many the classes


def confusion_picture(counts: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Draws a confusion matrix; each row is coloured by its shares of the true class.

    The percentages are written into the cells and the classes' names beside them as
    long as there is room: up to 100 and up to 300 classes.

    Args:
        counts: Integers (C, C); rows are the truth, columns the prediction.
        names: Name of each class.

    Returns:
        uint8 RGB (h, w, 3).
    """
    classes = len(names)
    cell = min(46, max(1, _LARGEST // classes))
    font = ImageFont.load_default(max(9, min(16, round(0.8 * cell))))
    named = cell >= 13
    side = max(font.getlength(name) for name in names) if named else 0
    label = round(side) + 14
    left, top = _MARGIN + 30 + label, _MARGIN + 90 + label
    width = max(left + classes * cell, _MARGIN + 560) + _MARGIN
    height = top + max(classes * cell, 90) + _MARGIN
    picture = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(picture)
    shares = row_shares(counts)
    _heading(draw, grey=bool(np.isnan(shares).any()))
    _axes(picture, left, top)
    if named:
        _names(picture, names, left, top, cell, font)
    picture.paste(_paint_cells(shares, cell), (left, top))
    if cell >= 40:
        _percentages(draw, shares, left, top, cell)
    return np.array(picture)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Returns each cell's share of its row's pixels, float64; nan in empty rows."""
    rows = counts.sum(1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    return np.divide(counts, rows, out=shares, where=rows > 0)


def _heading(draw: ImageDraw.ImageDraw, grey: bool) -> None:
    """Says what the numbers and, if there are any, the grey rows are."""
    font = ImageFont.load_default(20)
    draw.text((_MARGIN, _MARGIN), "Confusion matrix", fill=_INK, font=font)
    note = "Percent of each true class's pixels, by predicted class; rows add to 100."
    if grey:
        note += "\nGrey rows: the class is not in the labels."
    place, font = (_MARGIN, _MARGIN + 28), ImageFont.load_default(14)
    draw.text(place, note, fill=_FAINT, font=font)


def _axes(picture: Image.Image, left: int, top: int) -> None:
    """Says what rows and columns are."""
    font = ImageFont.load_default(16)
    draw = ImageDraw.Draw(picture)
    middle = _MARGIN + 78
    draw.text((left, middle), "predicted class", fill=_INK, font=font, anchor="lm")
    picture.paste(_sideways("true class", font), (_MARGIN, top))


def _names(picture, names, left, top, cell, font) -> None:
    """Writes the classes to the left of the rows and, sideways, above the columns."""
    draw = ImageDraw.Draw(picture)
    for index, name in enumerate(names):
        middle = index * cell + cell // 2
        place = (left - 8, top + middle)
        draw.text(place, name, fill=_INK, font=font, anchor="rm")
        words = _sideways(name, font)
        start = (left + middle - words.width // 2, top - 8 - words.height)
        picture.paste(words, start)


def _sideways(text: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Draws text that reads from below."""
    ascent, descent = font.getmetrics()
    words = Image.new(
        "RGB", (round(font.getlength(text)) + 1, ascent + descent), _PAPER
    )
    ImageDraw.Draw(words).text((0, 0), text, fill=_INK, font=font)
    return words.transpose(Image.Transpose.ROTATE_90)


def _paint_cells(shares: np.ndarray, cell: int) -> Image.Image:
    """Colours the cells, with thin lines between them where there is room.

    The colour goes from white to dark blue by the root, so that small confusions show.
    """
    weight = np.sqrt(np.nan_to_num(shares))[..., None]
    colors = (1 - weight) * np.array(_PAPER) + weight * np.array(_FULL)
    colors[np.isnan(shares)] = _EMPTY
    grid = colors.round().astype(np.uint8).repeat(cell, 0).repeat(cell, 1)
    if cell >= 6:
        grid[::cell] = grid[-1] = _LINE
        grid[:, ::cell] = grid[:, -1] = _LINE
    return Image.fromarray(grid)


def _percentages(draw, shares: np.ndarray, left: int, top: int, cell: int) -> None:
    """Writes what is not zero into the cells."""
    font = ImageFont.load_default(15)
    for row, column in np.argwhere(shares > 0):
        share = shares[row, column]
        text = "<1" if share < 0.005 else f"{100 * share:.0f}"
        ink = _PAPER if share > 0.2 else _FAINT if share < 0.005 else _INK
        place = (left + (column + 0.5) * cell, top + (row + 0.5) * cell)
        draw.text(place, text, fill=ink, font=font, anchor="mm")
