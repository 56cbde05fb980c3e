"""Images and labels cut into PNG tiles, of which only those needed are decoded."""

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Annotated, NamedTuple

import numpy as np

from keras_lraspp.data.window import Window
from keras_lraspp.images import DamagedFileError, EncodedImage
from keras_lraspp.schema import Bounds

try:  # Intel's library inflates twice as fast as zlib
    from isal import isal_zlib as inflating
except ImportError:
    inflating = zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")  # width, height, depth, colour type, 0, 0, 0
_START = len(_SIGNATURE) + 12 + _HEADER.size + 8  # of the compressed rows
_END = 4 + 12  # behind them: their checksum, and the chunk IEND
_COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # PNG's, by number of channels
_UP = 2  # PNG's filter that keeps each row's difference to the row above


_Side = Annotated[int, Bounds(1, 1 << 14)]


class TileSize(NamedTuple):
    """Size of all tiles, in pixels; what lies outside the image is filled up."""

    height: _Side = 128
    width: _Side = 256


def cut_tiles(
    pixels: np.ndarray, size: TileSize, encode: Callable[[np.ndarray], bytes]
) -> list[bytes]:
    """Cuts an image or a label into encoded tiles, row by row.

    Args:
        pixels: (height, width) or (height, width, channels).
        size: Of a tile.
        encode: Writes a tile as a file.
    """
    missing = [(0, -pixels.shape[axis] % size[axis]) for axis in (0, 1)]
    filled = np.pad(pixels, missing + [(0, 0)] * (pixels.ndim - 2), mode="edge")
    return [
        encode(filled[top : top + size.height, left : left + size.width])
        for top in range(0, len(filled), size.height)
        for left in range(0, filled.shape[1], size.width)
    ]


def join_png_tiles(
    tiles: Sequence[EncodedImage], window: Window, size: TileSize, like: np.ndarray
) -> np.ndarray:
    """Decodes a window of what was cut with `encode_tile`.

    Args:
        tiles: All tiles.
        window: The part to decode.
        size: Of a tile.
        like: A pixel: (channels,) of uint8, or () of uint8 or uint16.

    Returns:
        (rows, columns) or (rows, columns, channels) of the window.

    Raises:
        DamagedFileError: If a tile is damaged.
    """

    def decode(tile: EncodedImage) -> np.ndarray:
        rows = inflate_tile(tile, size.height, size.width * like.nbytes)
        return rows.reshape(*size, like.nbytes)

    canvas, rows, columns = _place_tiles(tiles, window, size, decode, like.nbytes)
    for top in range(0, len(canvas), size.height):
        # Rows below the window are not needed.
        undo_up_filter(canvas[top : min(top + size.height, rows.stop)])
    pixels = canvas.view(like.dtype.newbyteorder(">"))
    return pixels.reshape(*canvas.shape[:2], *like.shape)[rows, columns]


def join_tiles(
    tiles: Sequence[EncodedImage],
    window: Window,
    size: TileSize,
    decode: Callable[[EncodedImage], np.ndarray],
) -> np.ndarray:
    """Decodes a window of an image that was cut and encoded in any other way.

    Args:
        tiles: All tiles; or one that is the whole image.
        window: The part to decode.
        size: Of a tile.
        decode: Reads a tile: uint8 (height, width, 3).

    Returns:
        uint8 (rows, columns, 3).
    """
    if len(tiles) == 1:
        image = np.asarray(decode(tiles[0]))
        return image[window.top : window.bottom, window.left : window.right]
    canvas, rows, columns = _place_tiles(tiles, window, size, decode, 3)
    return canvas[rows, columns]


def _place_tiles(
    tiles: Sequence[EncodedImage],
    window: Window,
    size: TileSize,
    decode: Callable[[EncodedImage], np.ndarray],
    depth: int,
) -> tuple[np.ndarray, slice, slice]:
    """Decodes the tiles that overlap a window, side by side.

    Returns:
        uint8 (height, width, depth), and rows and columns of the window in it.
    """
    tile_rows = range(window.top // size.height, -(-window.bottom // size.height))
    tile_columns = range(window.left // size.width, -(-window.right // size.width))
    tiles_in_row = -(-window.width // size.width)
    shape = len(tile_rows) * size.height, len(tile_columns) * size.width, depth
    canvas = np.empty(shape, np.uint8)
    for row in tile_rows:
        band = canvas[(row - tile_rows.start) * size.height :][: size.height]
        for column in tile_columns:
            left = (column - tile_columns.start) * size.width
            tile = tiles[row * tiles_in_row + column]
            band[:, left : left + size.width] = decode(tile)
    top, left = window.top % size.height, window.left % size.width
    rows = slice(top, top + window.bottom - window.top)
    return canvas, rows, slice(left, left + window.right - window.left)


def encode_tile(pixels: np.ndarray) -> bytes:
    """Encodes uint8 (height, width, channels), or a label, as PNG.

    Other channels than grey, RGB and RGBA are a grey PNG that is so many times as wide.
    A label is uint8 or uint16 (height, width).
    """
    rows, depth = _as_rows(pixels)
    filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
    filtered[:, 0] = _UP
    filtered[:, 1:] = rows
    filtered[1:, 1:] -= rows[:-1]
    is_image = pixels.ndim == 3
    strategy = zlib.Z_HUFFMAN_ONLY if is_image else zlib.Z_DEFAULT_STRATEGY
    deflating = zlib.compressobj(6, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    content = deflating.compress(filtered.tobytes()) + deflating.flush()
    height, width, channels = (*pixels.shape, 1)[:3]
    if channels not in _COLOR_TYPES:
        width, channels = width * channels, 1
    header = _HEADER.pack(width, height, depth, _COLOR_TYPES[channels], 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")
    return _SIGNATURE + chunks


def inflate_tile(tile: EncodedImage, height: int, row_bytes: int) -> np.ndarray:
    """Inflates a PNG of `encode_tile`: each row's difference to the row above.

    Args:
        tile: The PNG.
        height: Its rows.
        row_bytes: Bytes in a row.

    Returns:
        uint8 (height, row_bytes); `undo_up_filter` makes pixels of it.

    Raises:
        DamagedFileError: If it is damaged, or another PNG.
    """
    content = tile.content
    packed = memoryview(content)[_START:-_END]
    (checksum,) = struct.unpack(">I", content[-_END : 4 - _END] or bytes(4))
    if inflating.crc32(packed, inflating.crc32(b"IDAT")) != checksum:
        raise DamagedFileError(_damaged(tile, "its checksum is wrong"))
    size = height * (row_bytes + 1)
    try:
        # Not more than it should be, whatever the file claims.
        rows = inflating.decompressobj().decompress(packed, size + 1)
    except (zlib.error, inflating.error) as error:
        raise DamagedFileError(_damaged(tile, error)) from error
    if len(rows) != size:
        raise DamagedFileError(_damaged(tile, "it has another size"))
    filtered = np.frombuffer(rows, np.uint8).reshape(height, row_bytes + 1)
    if not (filtered[:, 0] == _UP).all():
        raise DamagedFileError(_damaged(tile, "it was not written as a shard"))
    return filtered[:, 1:]


def undo_up_filter(rows: np.ndarray) -> None:
    """Sums up differences between rows in place, modulo 256: uint8 (rows, ...)."""
    # NumPy's cumulative sum goes down one column at a time: ten times slower.
    for above, below in zip(rows[:-1], rows[1:], strict=True):
        np.add(below, above, out=below)


def _as_rows(pixels: np.ndarray) -> tuple[np.ndarray, int]:
    """Bytes (height, bytes in a row) as a PNG has them, and bits per channel."""
    if pixels.dtype == np.uint8:
        return np.ascontiguousarray(pixels).reshape(len(pixels), -1), 8
    big_endian = np.ascontiguousarray(pixels.astype(">u2"))
    return big_endian.view(np.uint8).reshape(len(pixels), -1), 16


def _chunk(kind: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(content, zlib.crc32(kind))
    framed = kind + content + struct.pack(">I", checksum)
    return struct.pack(">I", len(content)) + framed


def _damaged(tile: EncodedImage, error: object) -> str:
    return f"{tile} is damaged ({error}); write the shards again."
