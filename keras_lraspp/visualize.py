"""Segmentation pictures: colours of labels, overlays and confusion matrices."""

from collections.abc import Sequence

import numpy as np
from PIL import Image

from keras_lraspp.errors import naming_packages
from keras_lraspp.palettes import Palette
from keras_lraspp.regions import (
    WIDEST_CONTOUR,
    contour_coverage,
    without_small_regions,
)

_OPAQUE = 256  # weight of an opaque colour: blending shifts by 8 bits
_SIDE = 1000  # pixels; in an image with longer sides contours are drawn smaller, and
# enlarged
_LINE_SHARE = 1 / 500  # width of the lines by the shorter side
_THINNEST = 1.5  # pixels; a thinner line is too pale
_SPECK = 32  # pixels; lines as wide would fill a smaller region
_LARGEST_MATRIX = 4000  # side in pixels, however many the classes
_NAMED = 13  # smallest cell, in pixels, with its class beside it
_GREY, _LINE, _EMPTY = "#6e6e6e", "#e1e1e1", "#f0f0f0"


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
    min_region: int = 0,
) -> np.ndarray:
    """Lays the classes' colours over an image, with a thin line around each region.

    Pixels without a class, such as those with the ignore label, show the image. Specks
    of a few pixels get no line.

    Args:
        image: uint8 RGB (H, W, 3), or of other channels, see `rgb_picture`.
        labels: Integer (H, W).
        palette: RGB, 0..255, of each class.
        opacity: Weight of the colours, 0 (only the image) to 1 (only the colours).
        borders: Whether to draw the lines, which are antialiased.
        min_region: Regions of fewer pixels are drawn as the class around them.

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
    if min_region > 1:
        index = without_small_regions(index, min_region)
    weight = round(_OPAQUE * opacity)
    colors = _color_table(palette).astype(np.uint16) * weight
    colors += _OPAQUE // 2  # rounds
    keep = np.full((len(colors), 1), _OPAQUE - weight, np.uint16)
    keep[-1] = _OPAQUE
    blended = image * np.take(keep, index, axis=0)
    blended += np.take(colors, index, axis=0)
    blended >>= 8
    blended = blended.astype(np.uint8, order="C")  # whatever the image's
    if borders:
        _draw_contours(blended, index, palette)
    return blended


def _draw_contours(picture: np.ndarray, index: np.ndarray, palette: Palette) -> None:
    """Draws the lines between regions that are no specks into a picture."""
    if not index.size:
        return
    (height, width), shorter = index.shape, min(index.shape)
    step = max(1, round(shorter / _SIDE))
    rows, columns = (
        np.minimum(np.arange(step // 2, side + step // 2, step), side - 1)
        for side in (height, width)
    )
    small = index if step == 1 else index[np.ix_(rows, columns)]
    line = np.clip(shorter / step * _LINE_SHARE, _THINNEST, WIDEST_CONTOUR)
    coverage = contour_coverage(without_small_regions(small, _SPECK), float(line))
    if step > 1:
        enlarged = Image.fromarray(coverage).resize(
            (width, height),
            Image.Resampling.BILINEAR,
            box=(0, 0, width / step, height / step),
        )
        coverage = np.asarray(enlarged)
    place = np.flatnonzero(coverage)
    weight = coverage.reshape(-1)[place, None].astype(np.uint16)
    pixels, tints = picture.reshape(-1, 3), _line_colors(palette)
    mixed = pixels[place] * (255 - weight)
    mixed += tints[index.reshape(-1)[place]] * weight
    pixels[place] = (mixed + 127) // 255


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
    note = "Percent of each true class's pixels, by predicted class; below 1 left out."
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
    for row, column in np.argwhere(shares >= 0.01):
        share = shares[row, column]
        color = "white" if share > 0.2 else "#222222"
        axes.text(column + 0.5, row + 0.5, f"{100 * share:.0f}", color=color, **style)


def row_shares(counts: np.ndarray) -> np.ndarray:
    """Returns each cell's share of its row's pixels, float64; nan in empty rows."""
    rows = counts.sum(1, keepdims=True)
    shares = np.full(counts.shape, np.nan)
    return np.divide(counts, rows, out=shares, where=rows > 0)
