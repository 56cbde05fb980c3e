"""The first rows of a PNG file, inflated by Intel's library.

Inflating is most of the time of reading a PNG, and the library that TensorFlow has
inside takes twice as long for it. So the rows are inflated here, only as many as are
needed, and handed on as a PNG that is not compressed.
"""

import struct
import zlib
from collections.abc import Iterator

import tensorflow as tf

try:
    from isal import isal_zlib
except ImportError:  # not on this kind of machine: TensorFlow decodes everything
    isal_zlib = None

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")  # width, height, depth, colour, 0, 0, interlaced
_CHANNELS = {0: 1, 2: 3}  # of the colour types grey and RGB
_STORED = 65535  # bytes at most in a block that is not compressed


def decode_rows(content: bytes, rows: int | None = None) -> tf.Tensor | None:
    """Decodes the first rows of a PNG.

    Args:
        content: The file's bytes.
        rows: How many; `None` for all, as if the image has fewer.

    Returns:
        uint8 (rows, width, 1 or 3), the pixels that the whole image has there; `None`
        if the file is damaged, or not of 8 bits grey or RGB in plain order.
    """
    if isal_zlib is None:
        return None
    try:
        chunks = dict.fromkeys([b"IHDR"])
        packed = []
        for kind, body in _chunks(content):
            if kind == b"IDAT":
                packed.append(body)
            else:
                chunks[kind] = body
        width, height, depth, color, *_, interlaced = _HEADER.unpack(chunks[b"IHDR"])
        if depth != 8 or color not in _CHANNELS or interlaced:
            return None
        channels = _CHANNELS[color]
        rows = height if rows is None else min(rows, height)
        size = rows * (1 + width * channels)
        inflating = isal_zlib.decompressobj()
        filtered = inflating.decompress(b"".join(packed), size)
        if len(filtered) != size:
            return None
        header = _HEADER.pack(width, rows, 8, color, 0, 0, 0)
        plain = _uncompressed(header, filtered)
        return tf.io.decode_png(plain, channels)
    except (KeyError, TypeError, struct.error, zlib.error, isal_zlib.error):
        return None
    except tf.errors.InvalidArgumentError:
        return None


def _chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Kind and body of each chunk up to the end of the image; checks their sums."""
    view, place = memoryview(content), len(_SIGNATURE)
    while place < len(view):
        (length,) = struct.unpack_from(">I", view, place)
        framed = view[place + 4 : place + 8 + length]
        (checksum,) = struct.unpack_from(">I", view, place + 8 + length)
        if isal_zlib.crc32(framed) != checksum:
            raise isal_zlib.error("a checksum is wrong")
        yield bytes(framed[:4]), framed[4:]
        place += 12 + length


def _uncompressed(header: bytes, filtered: bytes) -> bytes:
    """A PNG of rows that are filtered as they were."""
    view = memoryview(filtered)
    blocks = [b"\x78\x01"]
    for start in range(0, len(view), _STORED):
        block = view[start : start + _STORED]
        is_last = start + _STORED >= len(view)
        blocks += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    blocks.append(struct.pack(">I", isal_zlib.adler32(filtered)))
    checksum = isal_zlib.crc32(b"IDAT")
    for block in blocks:
        checksum = isal_zlib.crc32(block, checksum)
    body = [struct.pack(">I", sum(map(len, blocks))), b"IDAT", *blocks]
    parts = [_SIGNATURE, _chunk(b"IHDR", header), *body, struct.pack(">I", checksum)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    framed = kind + content
    checksum = struct.pack(">I", zlib.crc32(framed))
    return struct.pack(">I", len(content)) + framed + checksum
