"""PNG files that are quick to decode: the tiles that shards are made of.

Any reader of PNG reads them. They differ from what image libraries write in that every
row has the filter "Up" (the difference to the row above), so that all rows are restored
by plain sums, and that images are only Huffman-coded: in photographs the search for
repetitions gains a few per cent, and costs half the time of decoding. Labels, which
repeat themselves, are compressed as usual.
"""

import struct
import zlib

import numpy as np

from keras_lraspp.images import DamagedFileError, EncodedImage

try:  # Intel's library inflates twice as fast as zlib
    from isal import isal_zlib as inflating
except ImportError:
    inflating = zlib

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")  # width, height, depth, colour type, 0, 0, 0
_START = len(_SIGNATURE) + 12 + _HEADER.size + 8  # of the compressed rows
_END = 4 + 12  # behind them: their checksum, and the chunk IEND
_GREY, _RGB = 0, 2
_UP = 2


def encode_tile(pixels: np.ndarray) -> bytes:
    """Writes a PNG.

    Args:
        pixels: uint8 (height, width, 3), or uint8 or uint16 (height, width).

    Returns:
        The file's bytes.
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
    kind = _RGB if is_image else _GREY
    header = _HEADER.pack(pixels.shape[1], pixels.shape[0], depth, kind, 0, 0, 0)
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", content) + _chunk(b"IEND", b"")
    return _SIGNATURE + chunks


def differences(tile: EncodedImage, height: int, row_bytes: int) -> np.ndarray:
    """Unpacks a PNG that `encode_tile` wrote, up to the sums over its rows.

    Args:
        tile: The PNG.
        height: Its rows.
        row_bytes: Bytes in a row.

    Returns:
        uint8 (height, row_bytes): each row's difference to the row above.

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


def restore(rows: np.ndarray) -> None:
    """Sums up differences between rows in place, modulo 256: uint8 (rows, bytes)."""
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
