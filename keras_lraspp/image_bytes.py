"""What the bytes of PNG, JPEG and WebP files hold, found without decoding pixels.

Decoders fill up what a file lacks: libjpeg with grey, Pillow's PNG decoder with black.
"""

import re
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# Width, height, bits per sample, colour type, 0, 0, whether interlaced.
PNG_HEADER = struct.Struct(">IIBBBBB")
_DEFLATE_RATIO = 1032  # it codes 258 bytes in two bits at best
_JPEG_RATIO = 8 * 64  # 8 blocks of 8x8 pixels, at a bit each
# The most pixels that a byte of a file stands for: what the format can do, but for TIFF
# and WebP, whose flat pictures may be of any size.
_PIXELS_PER_BYTE = {
    "PNG": 8 * _DEFLATE_RATIO,
    "JPEG": _JPEG_RATIO,
    "MPO": _JPEG_RATIO,
    "BMP": 128,
    "GIF": 2731,
    "PPM": 8,
    "raw TIFF": 8,
    "TIFF of bits": 2**15,
    "TIFF": 2**12,
    "WEBP": 2**12,
}
# So many bytes are for nothing, which a flat label of 2048x2048 needs.
_FREE_BYTES = {"TIFF": 2**10, "TIFF of bits": 2**10, "WEBP": 2**10}
_PIECE = 2**14  # that are inflated at once, to 16 MiB at most
_MOST_PARTS = 2**16  # chunks, segments or tiles; libpng's of 8 KiB make 512 MiB
# With more bytes of rows, or pixels, for each coded byte, it is made sure that none are
# missing before a picture's memory is taken.
_DENSE = 64
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type
_ADAM7 = (  # first column and row, steps right and down
    *((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4)),
    *((0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)),
)

# Encoders write 10 scans; each goes through all pixels again.
_MOST_SCANS = 100
_MOST_SCANNED_PIXELS = 20 * 2**26
# Not the zero behind a coded 0xFF, filling or a restart.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_END, _SCAN, _BARE = 0xD9, 0xDA, (0x01, 0xD8)
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = 0xC2
_HUFFMAN = (0xC0, 0xC1, _PROGRESSIVE)
_ALL_BANDS = 2**64 - 1
_LUMA = (0.299, 0.587, 0.114)
_TIFF_TABLES, _TIFF_PLACES = 347, ((273, 324), (279, 325))
_WEBP_PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
# Any bits will do, other than the zeros that libjpeg goes on with.
_MORE_DATA = b"\xaa" + bytes(range(0x55, 0xF5, 5)) * 2


def check_claim(
    kind: str, size: tuple[int, int], count: int, stored: tuple[str, str] = ("", "")
) -> None:
    """Raises ValueError if an image of this size cannot be in `count` bytes.

    Args:
        kind: Its format.
        size: Its width and height.
        count: The bytes of the file, or those for pixels.
        stored: Pillow's codec and mode, which tell of a TIFF.
    """
    if kind == "TIFF":
        kind = {"raw": "raw TIFF"}.get(stored[0], kind)
        kind = {"TIFF1": "TIFF of bits"}.get(kind + stored[1], kind)
    free = _FREE_BYTES.get(kind, 0)
    if size[0] * size[1] > (count + free) * _PIXELS_PER_BYTE[kind]:
        raise ValueError(f"it claims {size[0]}x{size[1]} pixels in {count} bytes")


def check_tiles(
    tiles: Sequence[tuple[int, int, int, int]], size: tuple[int, int], planes: int
) -> None:
    """Checks that the parts of a GIF or TIFF cover it; decoders leave the rest black.

    Args:
        tiles: Left, top, right and bottom of each; none if they are not known.
        size: Width and height of the image.
        planes: How many channels are in parts of their own.

    Raises:
        ValueError: If they do not, or are too many.
    """
    if len(tiles) > _MOST_PARTS:
        raise ValueError(f"it has more than {_MOST_PARTS} tiles")
    covered = sum((right - left) * (down - top) for left, top, right, down in tiles)
    pixels = size[0] * size[1] * planes
    if tiles and covered < pixels:
        raise ValueError(f"it holds {covered} of its {pixels} pixels")


def png_chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yields of each chunk of a PNG its kind, and where its body starts and stops.

    Raises:
        ValueError: If the file ends within a chunk, or has too many of them.
    """
    offset = len(PNG_SIGNATURE)
    for _ in range(_MOST_PARTS):
        if offset >= len(content):
            return
        header = content[offset : offset + 8]
        stop = offset + 8 + int.from_bytes(header[:4], "big")
        if stop + 4 > len(content):
            raise ValueError("it ends within a chunk")
        yield header[4:], offset + 8, stop
        if header[4:] == b"IEND":  # others may have appended something
            return
        offset = stop + 4
    raise ValueError(f"it has more than {_MOST_PARTS} chunks")


class PackedRows(NamedTuple):
    """The compressed pixels of a PNG.

    Attributes:
        header: What `PNG_HEADER` says.
        size: Bytes of all rows, each with its filter's byte.
        parts: The compressed bytes.
    """

    header: tuple[int, ...]
    size: int
    parts: list[memoryview]

    def may_lack_rows(self) -> bool:
        """Whether rows are to be counted before they are decoded."""
        dense = self.size <= _DENSE * sum(map(len, self.parts))
        return not dense or bool(self.header[-1])  # interlaced

    def check_complete(self) -> None:
        """Raises ValueError if there are fewer rows than the header says."""
        stream, size = zlib.decompressobj(), 0
        for part in self.parts:
            for start in range(0, len(part), _PIECE):
                if not stream.eof:
                    size += len(stream.decompress(part[start : start + _PIECE]))
        if size < self.size:
            raise ValueError(f"it holds {size} of the {self.size} bytes of its rows")


def packed_rows(content: bytes) -> PackedRows:
    """Finds the compressed pixels of a PNG.

    Raises:
        ValueError: If its chunks or its header are wrong, or its rows cannot be in so
            few bytes.
    """
    parts, view, chunks = [], memoryview(content), [*png_chunks(content)]
    for index, (kind, start, stop) in enumerate(chunks):
        if (kind == b"IHDR") != (index == 0):  # decoders take another than we
            raise ValueError("its header is not in front")
        if kind == b"IDAT":
            parts.append(view[start:stop])
            if len(parts) > 1 and chunks[index - 1][0] != b"IDAT":
                raise ValueError("its pixels are in several places")
    header = content[16 : chunks[0][2]] if chunks else b""
    if len(header) != PNG_HEADER.size or header[9] not in _CHANNELS:
        raise ValueError("its header is wrong")
    header = width, height, depth, color, *_, interlaced = PNG_HEADER.unpack(header)
    size = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -((left - width) // right), -((top - height) // down)
        if columns > 0:
            size += max(rows, 0) * (1 + (columns * depth * _CHANNELS[color] + 7) // 8)
    packed = sum(map(len, parts))
    if size > _DEFLATE_RATIO * packed:
        raise ValueError(f"it claims {width}x{height} pixels in {packed} bytes")
    return PackedRows(header, size, parts)


def check_jpeg(content: bytes) -> bool:
    """Checks that a JPEG has enough coded bytes, and neither lacks scans nor floods.

    Returns:
        Whether it is so empty that it should be decoded at an eighth of its size first,
        to see if all of it is there.

    Raises:
        ValueError: If not; says why.
    """
    width = height = scans = coded = process = 0
    bands: dict[int, int] = {}  # of each component, those that scans have completed
    for marker, start, stop in _jpeg_parts(content):
        if marker is None:
            # An 0xFF is followed by a zero, or is itself filling.
            coded += stop - start - content.count(b"\xff", start, stop)
        elif marker in _FRAMES:
            process, height, width = marker, *_two_numbers(content, start + 1)
            bands = dict.fromkeys(content[start + 6 : stop : 3], 0)
        elif marker == _SCAN:
            scans += 1
            if scans > min(_MOST_SCANS, _MOST_SCANNED_PIXELS // max(width * height, 1)):
                raise ValueError(f"it has {scans} scans or more")
            _note_bands(bands, content[start:stop], process)
    check_claim("JPEG", (width, height), coded)
    if any(done != _ALL_BANDS for done in bands.values()):
        raise ValueError("its last scans are missing")
    return width * height > coded * _DENSE


def _note_bands(bands: dict[int, int], header: bytes, process: int) -> None:
    """Notes which coefficients of which components are exact after a scan."""
    count = header[0] if header else 0
    if len(header) != 4 + 2 * count:
        raise ValueError("the header of a scan is wrong")
    first, last, precision = header[-3:]
    done = _ALL_BANDS
    if process == _PROGRESSIVE:  # others may write anything here
        done = (2 << min(last, 63)) - (1 << min(first, 63))
    if process != _PROGRESSIVE or not precision & 15:
        for component in header[1:-3:2]:
            bands[component] = bands.get(component, 0) | done


def _two_numbers(content: bytes, offset: int) -> tuple[int, int]:
    try:
        return struct.unpack_from(">HH", content, offset)
    except struct.error as error:
        raise ValueError("it ends within its header") from error


def _jpeg_parts(content: bytes) -> Iterator[tuple[int | None, int, int]]:
    """Yields marker, start and stop of each segment's body; no marker: coded pixels."""
    at, in_scan = 2, False
    for _ in range(_MOST_PARTS):
        found = _MARKER.search(content, at)
        stop = found.start() if found else len(content)
        if in_scan:
            yield None, at, at + len(content[at:stop].rstrip(b"\xff"))
        if not found or content[stop + 1] == _END:
            return
        marker, at = content[stop + 1], stop + 2
        in_scan = marker == _SCAN
        if marker not in _BARE:
            start, at = at + 2, at + int.from_bytes(content[at : at + 2], "big")
            yield marker, start, at
    raise ValueError(f"it has more than {_MOST_PARTS} segments")


def jpeg_may_be_cut(content: bytes, last_pixel: Sequence[int]) -> bool:
    """Whether a decoded JPEG is to be decoded once more, `jpeg_with_more_data`.

    Of the usual kind, what is cut off is grey, down to the last pixel. Elsewhere it
    does not show, and in a small picture the last block is much of it.

    Args:
        content: The file.
        last_pixel: Its colour or grey as decoded; empty where it tells nothing.
    """
    for marker, start, _ in _jpeg_parts(content):
        if marker in _FRAMES:
            height, width = _two_numbers(content, start + 1)
            if marker not in _HUFFMAN:  # cutting off zeros is legal
                return False
            if marker == _PROGRESSIVE or height * width < 2**16 or not len(last_pixel):
                return True
            # Colours next to it may have run into it, its luma has none.
            luma = np.dot(last_pixel, _LUMA) if len(last_pixel) == 3 else last_pixel[0]
            return abs(luma - 128) <= 1
    return False


def jpeg_with_more_data(content: bytes) -> bytes:
    """Returns a JPEG with further bytes behind the coded pixels of each scan.

    A decoder that has all pixels passes over them. Where some are missing it takes them
    for those: pixels change.
    """
    parts, done = [], 0
    for marker, start, stop in _jpeg_parts(content):
        if marker is None:
            coded = _RESTART.sub(lambda m: _MORE_DATA + m[0], content[start:stop])
            # It may end where a restart should follow, which are numbered 0 to 7.
            restarts = _RESTART.findall(content, start, stop)
            number = (restarts[-1][1] + 1) % 8 if restarts else 0
            restart = bytes([0xFF, 0xD0 + number])
            parts += [content[done:start], coded, _MORE_DATA, restart, _MORE_DATA]
            done = stop
    return b"".join([*parts, content[done:]])


def tiff_jpegs(content: bytes, tags: Mapping[int, Any]) -> Iterator[bytes]:
    """Yields the strips or tiles of a TIFF that are JPEGs, each as a file of its own.

    Args:
        content: The TIFF.
        tags: Its directory, as Pillow has it.
    """
    tables = tags.get(_TIFF_TABLES) or b""
    offsets, counts = (
        tags.get(strips) or tags.get(tiles) or () for strips, tiles in _TIFF_PLACES
    )
    for offset, count in zip(offsets, counts, strict=True):
        strip = content[offset : offset + count]
        jpeg = tables[:-2] + strip[2:] if tables else strip
        parts = _jpeg_parts(jpeg)
        frames = (jpeg[start + 5] for part, start, _ in parts if part in _FRAMES)
        if next(frames, 0) != 2:  # grey with alpha, which is no JPEG for Pillow
            yield jpeg


def webp_size(content: bytes) -> tuple[int, int, int]:
    """Returns width and height of a WebP, and the bytes that hold its pixels.

    Raises:
        ValueError: If it has no header, or too many chunks.
    """
    kind, start, coded, offset = content[12:16], content[20:30], 0, 12
    for _ in range(_MOST_PARTS):
        size = int.from_bytes(content[offset + 4 : offset + 8], "little")
        if content[offset : offset + 4] in _WEBP_PIXELS:
            coded += min(size, len(content) - offset - 8)
        offset += 8 + size + size % 2
        if offset >= len(content):
            break
    if len(start) < 5 or offset < len(content):
        raise ValueError("its header is wrong")
    if kind == b"VP8X":
        width, height = (int.from_bytes(start[k : k + 3], "little") for k in (4, 7))
        return width + 1, height + 1, coded
    if kind == b"VP8L":
        bits = int.from_bytes(start[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, coded
    width, height = (int.from_bytes(start[k : k + 2], "little") for k in (6, 8))
    return width & 0x3FFF, height & 0x3FFF, coded
