"""Segmentation pictures: palettes, overlays, legends and confusion matrices."""

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.errors import InputError, naming_packages
from keras_lraspp.schema import Color, Name, check_value, parse_json, read_text

Palette = Sequence[tuple[int, int, int]]

_OPAQUE = 256  # weight of an opaque colour: blending shifts by 8 bits
_PAPER, _INK = (255, 255, 255), (34, 34, 34)
_LETTERS = (13, 40)  # smallest and largest height beside a picture, in pixels
_LARGEST_MATRIX = 4000  # side in pixels, however many the classes
_NAMED = 13  # smallest cell, in pixels, with its class beside it
_GREY, _LINE, _EMPTY = "#6e6e6e", "#e1e1e1", "#f0f0f0"
_LARGEST_FILE = 1 << 20  # bytes; a palette of 256 classes takes about 10 000
_FORMS = (
    'a JSON file is {"road": [128, 64, 128], ...} or a list of [red, green, blue]; '
    "a .txt file has lines of `red green blue name`"
)


def rgb_picture(image: np.ndarray) -> np.ndarray:
    """Makes RGB of an image of any number of channels, to be looked at.

    Args:
        image: uint8 (..., H, W, C): grey of 1 channel or of the first of 2, RGB of 3 or
            of the first three of more.

    Returns:
        uint8 RGB (..., H, W, 3); the image itself if it has three channels.
    """
    channels = image.shape[-1]
    if channels < 3:
        return np.repeat(image[..., :1], 3, axis=-1)
    return image if channels == 3 else np.ascontiguousarray(image[..., :3])


def colorize(labels: np.ndarray, palette: Palette) -> np.ndarray:
    """Paints each pixel in its class's colour.

    Args:
        labels: Integer (..., H, W).
        palette: RGB, 0..255, of each class.

    Returns:
        uint8 RGB (..., H, W, 3). Pixels without a class, such as those with the
        ignore label, are black.
    """
    return np.take(_color_table(palette), _class_index(labels, palette), axis=0)


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
        image: uint8 RGB (H, W, 3), or of other channels, see `rgb_picture`.
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
    if image.ndim != 3 or image.shape[:2] != labels.shape:
        raise ValueError(
            f"An image {image.shape} does not go with labels {labels.shape}."
        )
    image = rgb_picture(image)
    index = _class_index(labels, palette)
    weight = round(_OPAQUE * opacity)
    colors = _color_table(palette).astype(np.uint16) * weight
    colors += _OPAQUE // 2  # rounds
    keep = np.full((len(colors), 1), _OPAQUE - weight, np.uint16)
    keep[-1] = _OPAQUE
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
    """A light tint of each class's colour, which stands out from all."""
    colors = _color_table(palette).astype(np.uint16)
    return ((colors + 2 * 255) // 3).astype(np.uint8)


def _color_table(palette: Palette) -> np.ndarray:
    """Returns uint8 (classes + 1, 3): the palette, then black."""
    return np.array([*palette, (0, 0, 0)], np.uint8)


def _class_index(labels: np.ndarray, palette: Palette) -> np.ndarray:
    """Returns rows of `_color_table`; whatever is no class has the last one."""
    labels = np.asarray(labels)
    # Seen as unsigned, negative values are large.
    unsigned = labels.view(labels.dtype.str.replace("i", "u"))
    if len(palette) > np.iinfo(unsigned.dtype).max:
        return unsigned  # too narrow to hold anything but classes
    return np.minimum(unsigned, unsigned.dtype.type(len(palette)))


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
    width = max(picture.shape[1], _longest_name(labels, names, font_size))
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
    present = _present_classes(labels, names)
    font = ImageFont.load_default(font_size)
    row_height, gap = round(font_size * 1.75), font_size // 2
    positions, x, row = [], gap, 0
    for label in present:
        needed = _entry_width(names[label], font)
        if x > gap and x + needed + gap > width:
            x, row = gap, row + 1
        positions.append((label, x, row * row_height))
        x += needed + 2 * gap
    height = (row + 1) * row_height if present else 0
    strip = Image.new("RGB", (width, height), _PAPER)
    draw = ImageDraw.Draw(strip)
    for label, left, top in positions:
        middle = top + row_height // 2
        upper = middle - font_size // 2
        swatch = (left, upper, left + font_size - 1, upper + font_size - 1)
        draw.rounded_rectangle(swatch, font_size // 5, fill=tuple(palette[label]))
        start = left + font_size + gap // 2
        draw.text((start, middle), names[label], fill=_INK, font=font, anchor="lm")
    return np.array(strip)


def _present_classes(labels: np.ndarray, names: Sequence[str]) -> list[int]:
    return [int(label) for label in np.unique(labels) if 0 <= label < len(names)]


def _entry_width(name: str, font: ImageFont.FreeTypeFont) -> int:
    return int(font.size) + int(font.size) // 4 + math.ceil(font.getlength(name))


def _longest_name(labels: np.ndarray, names: Sequence[str], font_size: int) -> int:
    font = ImageFont.load_default(font_size)
    widths = [
        _entry_width(names[label], font) for label in _present_classes(labels, names)
    ]
    return max(widths, default=0) + 2 * (font_size // 2)


@naming_packages("The picture of a confusion matrix")
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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shares = row_shares(counts)
    note = "Percent of each true class's pixels, by predicted class; rows add to 100."
    if np.isnan(shares).any():
        note += "\nGrey rows: the class is not in the labels."
    cell = min(46, max(1, _LARGEST_MATRIX // len(names)))
    letters = max(9, min(15, round(0.8 * cell)))
    longest = 0.65 * letters * max(map(len, names)) if cell >= _NAMED else 0
    side, left, top = len(names) * cell, longest + 50, longest + 110
    width, height = max(left + side, 620) + 24, top + side + 24

    figure = Figure((width / 72, height / 72), dpi=72)  # a point is a pixel
    corner = left / width, 24 / height
    axes = figure.add_axes((*corner, side / width, side / height))
    _draw_matrix(axes, shares, names, cell, letters)
    for x, y, size, text, style in (
        (24, 24, 20, "Confusion matrix", {}),
        (24, 50, 14, note, {"color": _GREY}),
        (left, 92, 16, "predicted class", {}),
        (24, top, 16, "true class", {"rotation": 90}),
    ):
        figure.text(x / width, 1 - y / height, text, size=size, va="top", **style)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]


def _draw_matrix(axes, shares: np.ndarray, names, cell: int, letters: int) -> None:
    """Colours the cells and writes names beside them, where there is room."""
    from matplotlib.colors import LinearSegmentedColormap, PowerNorm

    classes = len(names)
    axes.set_facecolor(_EMPTY)
    axes.imshow(
        shares,
        cmap=LinearSegmentedColormap.from_list("shares", ["white", "#084081"]),
        norm=PowerNorm(0.5, 0, 1),  # so that small confusions show
        interpolation="none",
        extent=(0, classes, classes, 0),
    )
    named = cell >= _NAMED
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(np.arange(classes) + 0.5 if named else [])
        axis.set_ticklabels(names if named else [], size=letters)
    axes.xaxis.tick_top()
    axes.tick_params("x", rotation=90)
    axes.tick_params(length=0)
    axes.spines[:].set_color(_LINE)
    if cell >= 6:
        axes.hlines(range(classes), 0, classes, _LINE, linewidth=1)
        axes.vlines(range(classes), 0, classes, _LINE, linewidth=1)
    if cell >= 40:
        _write_percentages(axes, shares)


def _write_percentages(axes, shares: np.ndarray) -> None:
    style = {"size": 15, "ha": "center", "va": "center"}
    for row, column in np.argwhere(shares > 0):
        share = shares[row, column]
        text = "<1" if share < 0.005 else f"{100 * share:.0f}"
        color = "white" if share > 0.2 else _GREY if share < 0.005 else "#222222"
        axes.text(column + 0.5, row + 0.5, text, color=color, **style)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Returns each cell's share of its row's pixels, float64; nan in empty rows."""
    rows = counts.sum(1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    return np.divide(counts, rows, out=shares, where=rows > 0)


def read_palette(
    path: str | Path, names: Sequence[str]
) -> tuple[tuple[int, int, int], ...]:
    """Reads the colour of each class from a file.

    A `.json` file is an object `{name: [red, green, blue]}`, or a list of colours in
    the order of the classes. Any other file has lines of `red green blue name`, where
    the name may have spaces; blank lines and those that begin with `#` are skipped.
    Colours of names that are no class are ignored: one file serves several models.

    Args:
        path: The file.
        names: Name of each class.

    Returns:
        RGB, 0..255, of each class.

    Raises:
        InputError: If the file cannot be read, has no colour for a class, two for one
            name, or something that is no colour.
    """
    path = Path(path)
    source = f"The palette {path}"
    text = read_text(path, mend=_FORMS, most=_LARGEST_FILE)
    if path.suffix.lower() != ".json":
        content = _parse_rows(path, text)
    else:
        content = parse_json(text, Any, source, mend=_FORMS)
    if isinstance(content, dict):
        colors = check_value(content, dict[Name, Color], source, mend=_FORMS)
        missing = [name for name in names if name not in colors]
        if missing:
            raise InputError(
                f"{source} has no colour for {', '.join(missing)}; give one to each of "
                f"the model's {len(names)} classes."
            )
        return tuple(colors[name] for name in names)
    colors = check_value(content, tuple[Color, ...], source, mend=_FORMS)
    if len(colors) != len(names):
        raise InputError(
            f"{source} has {len(colors)} colours, but the model has {len(names)} "
            f"classes; {_FORMS}."
        )
    return colors


def _parse_rows(path: Path, text: str) -> dict[str, list]:
    rows = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        *color, name = line.split(maxsplit=3)
        if len(color) != 3 or not all(re.fullmatch("[0-9]{1,3}", c) for c in color):
            raise InputError(
                f"Line {number} of the palette {path} is {line.strip()[:60]!r}; write "
                "`red green blue name`, as `128 64 128 road`."
            )
        if name.strip() in rows:
            raise InputError(
                f"The palette {path} has two colours for {name.strip()[:60]!r}; leave "
                "one of them."
            )
        rows[name.strip()] = [int(part) for part in color]
    return rows
