"""Images and labels cut into tiles, of which only those that are needed are decoded."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.data.shards.tile_png import differences, restore
from keras_lraspp.data.windows import Window
from keras_lraspp.images import EncodedImage


class TileSize(NamedTuple):
    """Size of all tiles, in pixels; what lies outside the image is filled up."""

    height: int = 128
    width: int = 256


def cut(
    pixels: np.ndarray, size: TileSize, encode: Callable[[np.ndarray], bytes]
) -> list[bytes]:
    """Cuts an image or a label into encoded tiles.

    Args:
        pixels: (height, width) or (height, width, 3).
        size: Of a tile.
        encode: Writes one as a file.

    Returns:
        The tiles, row by row.
    """
    missing = [(0, -pixels.shape[axis] % size[axis]) for axis in (0, 1)]
    filled = np.pad(pixels, missing + [(0, 0)] * (pixels.ndim - 2), mode="edge")
    return [
        encode(filled[top : top + size.height, left : left + size.width])
        for top in range(0, len(filled), size.height)
        for left in range(0, filled.shape[1], size.width)
    ]


class Part(NamedTuple):
    """A tile that overlaps a window, and its place in what is put together."""

    number: int
    top: int
    left: int


def parts(window: Window, size: TileSize) -> Iterator[Part]:
    """The tiles that overlap a window.

    Yields:
        Each with its place relative to the first of them.
    """
    columns = -(-window.width // size.width)
    first_row, first_column = window.top // size.height, window.left // size.width
    for row in range(first_row, -(-window.bottom // size.height)):
        for column in range(first_column, -(-window.right // size.width)):
            top = (row - first_row) * size.height
            left = (column - first_column) * size.width
            yield Part(row * columns + column, top, left)


def covering(window: Window, size: TileSize) -> tuple[int, int]:
    """Height and width of the tiles that overlap a window, together."""
    return tuple(
        (-(-end // side) - start // side) * side
        for start, end, side in (
            (window.top, window.bottom, size.height),
            (window.left, window.right, size.width),
        )
    )


def inside(window: Window, size: TileSize) -> tuple[slice, slice]:
    """Where the window is in the tiles that overlap it."""
    return tuple(
        slice(start % side, start % side + end - start)
        for start, end, side in (
            (window.top, window.bottom, size.height),
            (window.left, window.right, size.width),
        )
    )


def join_png(
    tiles: Sequence[EncodedImage], window: Window, size: TileSize, like: np.ndarray
) -> np.ndarray:
    """Decodes a window of what was cut with `tile_png.encode_tile`.

    Args:
        tiles: All tiles.
        window: The part to decode.
        size: Of a tile.
        like: A pixel: (3,) of uint8, or () of uint8 or uint16.

    Returns:
        (rows, columns) or (rows, columns, 3) of the window.

    Raises:
        DamagedFileError: If a tile is damaged.
    """
    height, width = covering(window, size)
    canvas = np.empty((height, width * like.nbytes), np.uint8)
    row_bytes = size.width * like.nbytes
    for part in parts(window, size):
        left = part.left * like.nbytes
        place = np.s_[part.top : part.top + size.height, left : left + row_bytes]
        canvas[place] = differences(tiles[part.number], size.height, row_bytes)
    rows, columns = inside(window, size)
    for top in range(0, height, size.height):
        # Rows below the window are not needed.
        restore(canvas[top : min(top + size.height, rows.stop)])
    pixels = canvas.view(like.dtype.newbyteorder(">"))
    return pixels.reshape(height, width, *like.shape)[rows, columns]


def join(
    tiles: Sequence[EncodedImage],
    window: Window,
    size: TileSize,
    decode: Callable[[EncodedImage], np.ndarray],
) -> np.ndarray:
    """Decodes a window of images that were cut and encoded in any other way.

    Args:
        tiles: All tiles; or one that is the whole image.
        window: The part to decode.
        size: Of a tile.
        decode: Reads one: uint8 (height, width, 3).

    Returns:
        uint8 (rows, columns, 3).
    """
    if len(tiles) == 1:
        image = np.asarray(decode(tiles[0]))
        return image[window.top : window.bottom, window.left : window.right]
    canvas = np.empty((*covering(window, size), 3), np.uint8)
    for part in parts(window, size):
        place = np.s_[
            part.top : part.top + size.height, part.left : part.left + size.width
        ]
        canvas[place] = decode(tiles[part.number])
    return canvas[inside(window, size)]
