"""Safe reading of image files: open, check, decode and convert to uint8 channels."""

import contextlib
import dataclasses
import functools
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.files import open_regular
from keras_lraspp.image_bytes import check_claim, check_tiles, webp_size
from keras_lraspp.multiband import (
    NPY_MAGIC,
    TiffLayout,
    grey_tiffs,
    is_tiff,
    join_bands,
    read_npy,
    read_npy_header,
    tiff_layout,
)
from keras_lraspp.pixels import (
    WHITE,
    check_channels,
    convert_channels,
    has_deep_colors,
    join_bytes,
    load_pixels,
    mend_tiles,
    refuse_channels,
    settle_white,
    stored_kind,
    take_low_bytes,
    to_bytes,
    turned,
)

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# A header is parsed in Python, some byte for byte; so are the parts of a GIF.
_MOST_READS, _MOST_HEADER_BYTES = 2**17, 2**25
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_PNG_EXIF = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}  # in `info`
_PLANAR, _SUBFILE, _WIDTH, _HEIGHT = 284, 254, 256, 257  # TIFF tags
_UNDO = {6: 8, 8: 6}  # what turns back; others do it themselves
_MOST_OVERVIEWS = 32  # and the picture itself; each has a quarter of the pixels


@dataclasses.dataclass(frozen=True)
class EncodedImage:
    """An image file inside of another file, such as a record of a data set.

    Attributes:
        name: Says where it is, for messages.
        content: The bytes of the image file.
    """

    name: str
    content: bytes

    def __str__(self) -> str:
        """The name, as a path has it."""
        return self.name


ImageFile = str | Path | EncodedImage


class DamagedFileError(InputError):
    """A file that is cut off, empty, garbled or no image at all."""


def naming_memory_errors(read: Callable) -> Callable:
    """Decorates a function of an image file: that one is named if memory is short."""

    @functools.wraps(read)
    def named(path: ImageFile, *args, **kwargs):
        try:
            return read(path, *args, **kwargs)
        except MemoryError as error:
            raise InputError(_memory_sentence(path)) from error

    return named


@naming_memory_errors
def read_image(
    path: ImageFile,
    *,
    apply_exif: bool = True,
    max_pixels: int = MAX_PIXELS,
    white: int = WHITE,
    channels: int = 3,
) -> np.ndarray:
    """Reads an image of any usual kind as RGB, or as so many channels.

    Three channels are RGB: grey, palette and CMYK images become RGB, and an alpha
    channel is dropped with one warning. One channel is grey, also made of colours, with
    one warning. Two are grey and alpha, four RGBA or CMYK. Any number may be in a TIFF
    of several bands, as stored, or a `.npy` file of (height, width, channels). Of 16
    bits per channel the high byte is kept (value // 256), with one warning if that is
    nearly black.

    Args:
        path: The image file.
        apply_exif: Whether to turn the image upright as its EXIF orientation says.
            Not for training, where labels belong to the pixels as stored.
        max_pixels: The most pixels (height x width) that are decoded, or values of a
            TIFF of several bands. Twice `PIL.Image.MAX_IMAGE_PIXELS` is Pillow's own
            limit.
        white: Value of white in images of 16 bits, as 4095 where a camera has 12. A PGM
            or PPM names its own, unless that is 65535.
        channels: How many; 1..64.

    Returns:
        uint8 (height, width, channels).

    Raises:
        InputError: As `open_image` does; or for a damaged file, another number of
            channels, or pixels that are floats, or integers of 32 bits or with a sign;
            for a `white` of CMYK.
    """
    bands = open_bands(path, channels, max_pixels)
    if bands is not None:
        pixels = to_bytes(path, bands.read(), white)
        return np.ascontiguousarray(turned(pixels, apply_exif * bands.orientation))
    with open_image(path, max_pixels) as image:
        mend_tiles(image)
        white = settle_white(path, image, white)
        stored = stored_kind(image)
        check_channels(path, image, channels)
        tiff = exif_orientation(image) if image.format == "TIFF" else 1
        decode(path, image)  # Pillow turns a TIFF upright
        orientation = exif_orientation(image) if apply_exif else _UNDO.get(tiff, tiff)
        if white != WHITE and has_deep_colors(image, stored):
            image = _read_deep_colors(path, image, stored, white, max_pixels)
            stored = ""
        image = convert_channels(path, image, stored, white, channels)
        pixels = np.asarray(image).reshape(image.height, image.width, channels)
        return np.ascontiguousarray(turned(pixels, orientation))


def _read_deep_colors(
    path: ImageFile, high: Image.Image, stored: str, white: int, max_pixels: int
) -> Image.Image:
    """Reads colours of 16 bits, of which Pillow has given the high bytes."""
    with open_image(path, max_pixels) as low:
        mend_tiles(low)
        take_low_bytes(path, low, stored)
        decode(path, low)
        return join_bytes(path, high, low, stored, white)


def image_size(
    path: ImageFile, channels: int = 3, *, upright: bool = False
) -> tuple[int, int]:
    """Height and width of an image from its header, turned upright or as stored.

    Raises:
        InputError: As `open_image` does, or for another number of channels.
    """
    bands = open_bands(path, channels)
    if bands is not None:
        return bands.size[::-1] if upright and bands.orientation >= 5 else bands.size
    with open_image(path) as image:
        check_channels(path, image, channels)
        lying = upright and header_orientation(image) >= 5
        return stored_size(image)[:: -1 if lying else 1]


def stored_size(image: Image.Image) -> tuple[int, int]:
    """Height and width of the pixels in an opened image's file."""
    if image.format == "TIFF":  # of which Pillow may say the size when upright
        return image.tag_v2[_HEIGHT], image.tag_v2[_WIDTH]
    return image.height, image.width


def image_orientation(path: ImageFile, channels: int = 3) -> int:
    """EXIF orientation of an image from its header; 1 is upright."""
    bands = open_bands(path, channels)
    if bands is not None:
        return bands.orientation
    with open_image(path) as image:
        return header_orientation(image)


class Bands(NamedTuple):
    """A `.npy` file or a TIFF of several bands, opened."""

    size: tuple[int, int]  # height and width
    orientation: int
    is_raw: bool  # its header and size tell that all pixels are there
    read: Callable[[], np.ndarray]  # uint8 or uint16 (height, width, channels)


def open_bands(
    path: ImageFile, channels: int, max_pixels: int = MAX_PIXELS
) -> Bands | None:
    """Opens a `.npy` file or a TIFF of several bands; `None` for other images.

    Raises:
        InputError: As `open_image` does, or for another number of channels.
    """
    if channels == 3 and not str(path).endswith(".npy"):
        return None  # of a TIFF Pillow makes RGB
    with _opening_faults(path, max_pixels):
        source = _open_source(path)
        start = source.read(len(NPY_MAGIC))
        source.seek(0)
        if start == NPY_MAGIC:
            header = read_npy_header(path, source, source.size)
            read, orientation = functools.partial(read_npy, source, header), 1
        elif channels not in (1, 3) and is_tiff(start):
            header = tiff_layout(path, source)
            if header.bands == 1:
                return None  # or a palette
            orientation = header.orientation if 1 < header.orientation <= 8 else 1
            read = functools.partial(_read_tiff, path, source, header)
        else:
            return None
        source.opening = False
        if header.bands != channels:
            refuse_channels(path, header.bands, channels)
        _check_pixels(path, (header.width, header.height), max_pixels)
        return Bands(
            (header.height, header.width), orientation, start == NPY_MAGIC, read
        )


def _read_tiff(path: ImageFile, source: "_Source", layout: TiffLayout) -> np.ndarray:
    if layout.height * layout.width * layout.bands > MAX_PIXELS:
        size = f"{layout.width}x{layout.height} times {layout.bands}"
        raise InputError(_too_large(path, size, MAX_PIXELS))
    source.seek(0)
    pictures = []
    for content in grey_tiffs(source.read(), layout):
        part = EncodedImage(str(path), content)
        with open_image(part) as image:
            decode(part, image)
            pictures.append(np.asarray(image))
    return join_bands(pictures, layout)


@contextlib.contextmanager
def open_image(path: ImageFile, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """Reads a file's header, and refuses what should not be decoded.

    Args:
        path: The image file. It is closed at the end of the `with`.
        max_pixels: The most pixels (height x width) that it may claim.

    Yields:
        A Pillow image that is not decoded yet.

    Raises:
        DamagedFileError: If the file is no image, its header is broken or does not end,
            or it is too short for its pixels or lacks parts, which would be black.
        InputError: If it cannot be opened, has too many pixels or more than one frame,
            or there is not enough memory.
    """
    with contextlib.ExitStack() as opened:
        with _opening_faults(path, max_pixels):
            source = opened.enter_context(contextlib.closing(_open_source(path)))
            image = _checked_image(path, source, max_pixels)
        with image:
            yield image


def _checked_image(path: ImageFile, source: "_Source", max_pixels: int) -> Image.Image:
    _check_webp(path, source, max_pixels)
    image = Image.open(source, formats=_FORMATS)
    # A phone's MPO is a JPEG with a second picture behind it, not an animation.
    animated = image.format != "MPO" and getattr(image, "is_animated", False)
    animated = animated and not _has_overviews_only(image)
    source.opening = False
    _check_pixels(path, image.size, max_pixels)
    if image.format != "WEBP":
        codec = image.tile[0][0] if image.tile else ""
        check_claim(image.format, image.size, source.size, (codec, image.mode))
    if animated:
        raise InputError(f"{path} is animated; give a file with a single picture.")
    is_planar = image.format == "TIFF" and image.tag_v2.get(_PLANAR) == 2
    planes = len(image.getbands()) if is_planar and len(image.tile) > 1 else 1
    check_tiles([tile[1] for tile in image.tile], image.size, planes)
    return image


@contextlib.contextmanager
def _opening_faults(path: ImageFile, max_pixels: int) -> Iterator[None]:
    """Says in a sentence what keeps a file from being opened."""
    try:
        yield
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_too_large(path, "too many", max_pixels)) from error
    except Image.UnidentifiedImageError as error:
        _refuse_bands(path)
        raise DamagedFileError(
            f"{path} is not an image ({_describe_start(path)}); replace it with a PNG "
            "or JPEG file."
        ) from error
    except MemoryError as error:
        raise InputError(_memory_sentence(path)) from error
    except Exception as error:  # Pillow lets many types through for a broken header
        # Pillow's own OSError, about what it read, has no number.
        if getattr(error, "errno", None) is None:
            raise DamagedFileError(damage_sentence(path, error)) from error
        raise InputError(
            f"Cannot read {path}: {error.strerror}; check the path and its permissions."
        ) from error


def _refuse_bands(path: ImageFile) -> None:
    """Says of a TIFF of several bands, or a NumPy file, how it is read."""
    start = read_start(path, len(NPY_MAGIC))
    if start == NPY_MAGIC:
        raise InputError(f"{path} is a NumPy file; let its name end in .npy.")
    if is_tiff(start):
        with _opening_faults(path, MAX_PIXELS):
            bands = tiff_layout(path, _open_source(path)).bands
        if bands > 1:
            raise InputError(
                f"{path} is a TIFF of {bands} bands; set channels = {bands} to read it."
            )


def _open_source(path: ImageFile) -> "_Source":
    inside = isinstance(path, EncodedImage)
    return _Source(io.BytesIO(path.content) if inside else open_regular(path))


def _has_overviews_only(image: Image.Image) -> bool:
    """Whether the further pictures of a TIFF are the first one, made smaller."""
    if image.format != "TIFF" or image.n_frames > _MOST_OVERVIEWS:
        return False
    try:
        for frame in range(1, image.n_frames):
            image.seek(frame)
            if not image.tag_v2.get(_SUBFILE, 0) & 1:
                return False
        return True
    finally:
        image.seek(0)


class _Source:
    """A file for Pillow, which gives up on a header that goes on and on."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self.size = file.seek(0, io.SEEK_END)
        file.seek(0)
        self.opening, self._reads, self._bytes = True, 0, 0

    def read(self, size: int = -1) -> bytes:
        content = self._file.read(size)
        if self.opening:
            self._reads += 1
            self._bytes += len(content) if size > 0 else 0
            if self._reads > _MOST_READS or self._bytes > _MOST_HEADER_BYTES:
                raise ValueError("its header does not end")
        return content

    def __getattr__(self, name: str):
        return getattr(self._file, name)

    def __del__(self):
        self._file.close()  # of `Bands`, which nobody closes


def _check_webp(path: ImageFile, source: _Source, max_pixels: int) -> None:
    """Checks a WebP before Pillow opens it, for which it takes all its memory."""
    start = source.read(12)
    source.seek(0)
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        *size, coded = webp_size(source.read())
        source.seek(0)
        _check_pixels(path, size, max_pixels)
        check_claim("WEBP", size, coded)


def _check_pixels(path: ImageFile, size: tuple[int, int], max_pixels: int) -> None:
    if size[0] * size[1] > max_pixels:
        raise InputError(_too_large(path, f"{size[0]}x{size[1]}", max_pixels))


def _describe_start(path: ImageFile) -> str:
    start = read_start(path, 16)
    return f"it starts with {start!r}" if start else "it has zero bytes"


def read_start(path: ImageFile, count: int) -> bytes:
    """Reads the first bytes of an image file."""
    if isinstance(path, EncodedImage):
        return path.content[:count]
    with open(path, "rb") as file:
        return file.read(count)


def _too_large(path: ImageFile, size: str, max_pixels: int) -> str:
    limit = f"more than the limit of {max_pixels}"
    return f"{path} claims {size} pixels, {limit}; cut it into smaller images."


def decode(path: ImageFile, image: Image.Image) -> None:
    """Decodes an opened image in place.

    Raises:
        DamagedFileError: If the file's pixels are cut off, missing or garbled.
        InputError: If there is not enough memory.
    """
    try:
        load_pixels(image)
    except MemoryError as error:
        raise InputError(_memory_sentence(path)) from error
    except Exception as error:  # which one depends on the format and the damage
        raise DamagedFileError(damage_sentence(path, error)) from error


def _memory_sentence(path: ImageFile) -> str:
    return f"{path} needs more memory than there is; cut it into smaller images."


def damage_sentence(path: ImageFile, error: Exception | str) -> str:
    """Says that a file is damaged, and how it showed."""
    return f"{path} is damaged ({error}); replace it, or leave it out."


def header_orientation(image: Image.Image) -> int:
    """As `exif_orientation`, of a PNG only what stands before its pixels."""
    if image.format == "PNG" and not _PNG_EXIF & image.info.keys():
        return 1
    return exif_orientation(image)


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image; 1 is upright, or no EXIF that makes sense.

    A PNG is decoded for it, as its EXIF may follow the pixels.
    """
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # which one depends on the damage
        return 1
