"""NumPy files and TIFFs of any number of bands, their headers checked before pixels."""

import io
import math
import struct
from collections.abc import Iterator, Sequence
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from keras_lraspp.errors import InputError

NPY_MAGIC = b"\x93NUMPY"
_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0")  # the last is BigTIFF
_LARGEST_HEADER = 10_000  # bytes; NumPy's own limit
_MOST_BANDS = 1000
_MOST_STRIPS = 2**16
_LARGEST_PART = 2**26  # values of a strip or tile, which has to be in memory
_MOST_OVERVIEWS = 32

# TIFF tags.
_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _ORIENTATION, _BANDS, _PREDICTOR = 266, 274, 277, 317
_OFFSETS, _ROWS, _COUNTS, _PLANAR = 273, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_COUNTS = 322, 323, 324, 325
_SAMPLE_FORMAT, _SUBFILE = 339, 254
_REDUCED = 1  # bit of `_SUBFILE`
# Each codes bytes and knows nothing of bands: none, LZW, Deflate, PackBits, LZMA, Zstd.
_COMPRESSIONS = (1, 5, 8, 32946, 32773, 34925, 50000)
_LONG, _LONG8 = 4, 16  # types of a tag's values
_BLACK_IS_ZERO = 1


class NpyHeader(NamedTuple):
    """What the header of a `.npy` file says of an image."""

    height: int
    width: int
    bands: int
    dtype: np.dtype  # uint8 or uint16, of either byte order
    fortran_order: bool
    offset: int  # of the pixels
    shape: tuple[int, ...]


def read_npy_header(path: object, file: BinaryIO, size: int) -> NpyHeader:
    """Reads the header of a `.npy` file, never what is pickled.

    Args:
        path: The file's name, for messages.
        file: The file, at its start.
        size: Its bytes.

    Raises:
        ValueError: If the header is broken, or claims more than is there.
        InputError: If it is whole, but not an image's.
    """
    version = np.lib.format.read_magic(file)
    readers = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    if version not in readers:
        raise InputError(f"{path} has NumPy's format {version}; save it anew.")
    shape, fortran_order, dtype = readers[version](file, _LARGEST_HEADER)
    if dtype.kind != "u" or dtype.itemsize > 2:
        raise InputError(
            f"{path} holds {dtype.name}; save uint8, or uint16 and say which value is "
            "white."
        )
    if len(shape) not in (2, 3) or 0 in shape:
        raise InputError(
            f"{path} has the shape {shape}; save (height, width, channels), or "
            "(height, width) of one."
        )
    claimed = math.prod(shape) * dtype.itemsize
    if file.tell() + claimed > size:
        raise ValueError(f"it claims {claimed} bytes of pixels in {size} bytes")
    height, width, bands = (*shape, 1)[:3]
    return NpyHeader(height, width, bands, dtype, fortran_order, file.tell(), shape)


def read_npy(file: BinaryIO, header: NpyHeader) -> np.ndarray:
    """Reads the pixels: uint8 or uint16 (height, width, bands)."""
    file.seek(header.offset)
    content = file.read(math.prod(header.shape) * header.dtype.itemsize)
    order = "F" if header.fortran_order else "C"
    pixels = np.frombuffer(content, header.dtype).reshape(header.shape, order=order)
    pixels = pixels.reshape(header.height, header.width, header.bands)
    return np.ascontiguousarray(pixels, header.dtype.newbyteorder("="))


class TiffLayout(NamedTuple):
    """Where a TIFF of several bands has its pixels, in strips or tiles."""

    height: int
    width: int
    bands: int
    bits: int  # 8 or 16
    orientation: int  # as EXIF's
    predictor: int  # 2: samples are differences to the one on their left
    planar: bool  # whether each band has strips or tiles of its own
    tile: tuple[int, int] | None  # height and width; `None` for strips
    rows: int  # of a strip
    offsets: tuple[int, ...]
    counts: tuple[int, ...]
    compression: int
    fill_order: int

    @property
    def columns(self) -> int:
        """Width with what fills up the last tile."""
        width = self.tile[1] if self.tile else self.width
        return -(-self.width // width) * width


def is_tiff(start: bytes) -> bool:
    """Whether a file begins as a TIFF."""
    return start[:4] in _TIFF_MAGICS


def tiff_layout(path: object, file: BinaryIO) -> TiffLayout:
    """Reads the directory of a TIFF of 8 or 16 bits per band.

    Raises:
        ValueError: If it is broken.
        InputError: If it is whole, but of another kind.
    """
    tags = _read_directory(path, file)

    def number(tag: int, default: int | None = None) -> int:
        value = tags.get(tag, default)
        value = value[0] if isinstance(value, tuple) and len(value) == 1 else value
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"its tag {tag} is {value!r}")
        return value

    def alike(tag: int, default: int) -> int:
        values = {*np.atleast_1d(tags.get(tag, default)).tolist()}
        if len(values) != 1:
            raise InputError(f"{path} has bands of several kinds; save them alike.")
        return int(values.pop())

    tiled = _TILE_OFFSETS in tags
    height, width, bands = number(_HEIGHT), number(_WIDTH), number(_BANDS, 1)
    bits, sample_format = alike(_BITS, 1), alike(_SAMPLE_FORMAT, 1)
    if not (height and width and 0 < bands <= _MOST_BANDS):
        raise ValueError(f"it claims {height}x{width} pixels of {bands} bands")
    layout = TiffLayout(
        height,
        width,
        bands,
        bits,
        number(_ORIENTATION, 1),
        number(_PREDICTOR, 1),
        number(_PLANAR, 1) == 2,
        (number(_TILE_HEIGHT), number(_TILE_WIDTH)) if tiled else None,
        min(number(_ROWS, height), height),
        _numbers(tags.get(_TILE_OFFSETS if tiled else _OFFSETS, ())),
        _numbers(tags.get(_TILE_COUNTS if tiled else _COUNTS, ())),
        number(_COMPRESSION, 1),
        number(_FILL_ORDER, 1),
    )
    if bands > 1:
        _check_layout(path, layout, sample_format)
    return layout


def _check_layout(path: object, layout: TiffLayout, sample_format: int) -> None:
    if layout.bits not in (8, 16) or sample_format != 1:
        kind = {1: "", 2: "signed ", 3: "float "}.get(sample_format, "other ")
        raise InputError(
            f"{path} has {kind}bands of {layout.bits} bits; save 8 or 16, unsigned."
        )
    if layout.compression not in _COMPRESSIONS or layout.predictor not in (1, 2):
        raise InputError(
            f"{path} has {layout.bands} bands in TIFF's compression "
            f"{layout.compression}; save it with Deflate, LZW or none."
        )
    height, width = layout.tile or (layout.rows, layout.width)
    if not 0 < height * width * layout.bands <= _LARGEST_PART:
        raise ValueError(f"it has strips or tiles of {height}x{width} pixels")
    parts = -(-layout.height // height) * -(-layout.width // width)
    parts *= layout.bands if layout.planar else 1
    found = {len(layout.offsets), len(layout.counts)}
    if found != {parts} or parts > _MOST_STRIPS:
        raise ValueError(f"it has {max(found)} of {parts} strips or tiles")


def _read_directory(path: object, file: BinaryIO) -> ImageFileDirectory_v2:
    """Reads the first directory; any others must be of the image made smaller."""
    start = file.read(16)
    start = start if b"+" in start[:4] else start[:8]
    tags = further = ImageFileDirectory_v2(start)
    for number in range(_MOST_OVERVIEWS):
        offset = further.next
        further = ImageFileDirectory_v2(start) if number else tags
        file.seek(offset)
        further.next = offset
        further.load(file)
        if further.next == offset:  # Pillow has given up
            raise ValueError("it ends within its directory")
        if number and not further.get(_SUBFILE, 0) & _REDUCED:
            raise InputError(
                f"{path} has several pictures; save one, with all bands in it."
            )
        if not further.next:
            return tags
    raise ValueError(f"it has more than {_MOST_OVERVIEWS} overviews")


def _numbers(values) -> tuple[int, ...]:
    return tuple(int(value) for value in np.atleast_1d(values))


def grey_tiffs(content: bytes, layout: TiffLayout) -> Iterator[bytes]:
    """Yields a TIFF's pixels as grey TIFFs, which decoders can read.

    Bands in turn are a picture that is so many times as wide; bands apart are a picture
    each. `join_bands` makes the image of their pixels.

    Args:
        content: The file.
        layout: Its `tiff_layout`.
    """
    pictures = layout.bands if layout.planar else 1
    wide = 1 if layout.planar else layout.bands
    size = len(layout.offsets) // pictures
    for picture in range(pictures):
        own = slice(picture * size, (picture + 1) * size)
        entries = {
            _WIDTH: [layout.columns * wide],
            _HEIGHT: [layout.height],
            _BITS: [layout.bits],
            _COMPRESSION: [layout.compression],
            _PHOTOMETRIC: [_BLACK_IS_ZERO],
            _FILL_ORDER: [layout.fill_order],
            _BANDS: [1],
        }
        if layout.tile:
            entries |= {
                _TILE_WIDTH: [layout.tile[1] * wide],
                _TILE_HEIGHT: [layout.tile[0]],
                _TILE_OFFSETS: layout.offsets[own],
                _TILE_COUNTS: layout.counts[own],
            }
        else:
            entries |= {
                _OFFSETS: layout.offsets[own],
                _ROWS: [layout.rows],
                _COUNTS: layout.counts[own],
            }
        yield _with_directory(content, entries)


def _with_directory(content: bytes, entries: dict[int, Sequence[int]]) -> bytes:
    """A TIFF with another directory behind everything; offsets stay what they are."""
    order = "<" if content[:2] == b"II" else ">"
    big = content[2:3] == b"+"
    word, count, kind, place = ("Q", "Q", _LONG8, 8) if big else ("L", "H", _LONG, 4)
    start = len(content) + len(content) % 2
    values_at = start + struct.calcsize(f"{order}{count}")
    values_at += len(entries) * (20 if big else 12) + struct.calcsize(f"{order}{word}")
    rows, behind = io.BytesIO(), io.BytesIO()
    rows.write(struct.pack(f"{order}{count}", len(entries)))
    for tag, values in sorted(entries.items()):
        packed = struct.pack(f"{order}{len(values)}{word}", *values)
        rows.write(struct.pack(f"{order}HH{word}", tag, kind, len(values)))
        if len(values) == 1:
            rows.write(packed)
        else:
            rows.write(struct.pack(f"{order}{word}", values_at + behind.tell()))
            behind.write(packed)
    rows.write(struct.pack(f"{order}{word}", 0))
    header = content[:place] + struct.pack(f"{order}{word}", start)
    body = content[len(header) :] + bytes(start - len(content))
    return b"".join([header, body, rows.getvalue(), behind.getvalue()])


def join_bands(pictures: Sequence[np.ndarray], layout: TiffLayout) -> np.ndarray:
    """Makes the image of the pixels of `grey_tiffs`.

    Returns:
        uint8 or uint16 (height, width, bands).
    """
    tile_width = layout.tile[1] if layout.tile else layout.width
    shape = layout.height, -1, tile_width, layout.bands // len(pictures)
    planes = [picture.reshape(shape) for picture in pictures]
    if layout.predictor == 2:  # each tile begins anew
        planes = [plane.cumsum(axis=2, dtype=plane.dtype) for plane in planes]
    pixels = np.concatenate(planes, axis=3) if len(planes) > 1 else planes[0]
    joined = pixels.reshape(layout.height, layout.columns, layout.bands)
    return joined[:, : layout.width]
