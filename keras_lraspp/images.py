"""Safe reading of image files: open, check, decode and convert to RGB."""

import dataclasses
import functools
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.files import open_regular
from keras_lraspp.image_bytes import (
    check_claim,
    check_jpeg,
    check_tiles,
    jpeg_may_be_cut,
    jpeg_with_more_data,
    packed_rows,
    tiff_jpegs,
    webp_size,
)

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
WHITE = 65535  # in an image of 16 bits per channel
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_JPEG_FORMATS = ("JPEG", "MPO")
# A header is parsed in Python, some byte for byte; so are the parts of a GIF.
_MOST_READS, _MOST_HEADER_BYTES = 2**17, 2**25
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_PNG_EXIF = {"exif", "Raw profile type exif", "XML:com.adobe.xmp"}  # in `info`
_PLANAR, _SUBFILE = 284, 254  # TIFF tags
_MOST_OVERVIEWS = 32  # and the picture itself; each has a quarter of the pixels
_TURNS = {  # EXIF orientation: what makes the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ALPHA_WARNED: list = []  # the file whose alpha channel was warned of
_DARK_WARNED: list = []  # the file whose darkness was warned of


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
) -> np.ndarray:
    """Reads an image of any usual kind as RGB.

    Grey, palette and CMYK images become RGB; an alpha channel is dropped with one
    warning; of 16 bits per channel the high byte is kept (value // 256), with one
    warning if that is nearly black.

    Args:
        path: The image file.
        apply_exif: Whether to turn the image upright as its EXIF orientation says.
            Not for training, where labels belong to the pixels as stored.
        max_pixels: The most pixels (height x width) that are decoded. Twice
            `PIL.Image.MAX_IMAGE_PIXELS` is Pillow's own limit.
        white: Value of white in grey images of 16 bits, as 4095 where a camera has 12.

    Returns:
        uint8 (height, width, 3).

    Raises:
        InputError: As `open_image` does; or for a damaged file, or pixels that are
            floats, or integers of 32 bits or with a sign.
    """
    with open_image(path, max_pixels) as image:
        stored = stored_kind(image)
        decode(path, image)
        turn = _TURNS.get(exif_orientation(image)) if apply_exif else None
        rgb = _as_rgb(path, image, stored, white)
        return np.asarray(rgb if turn is None else rgb.transpose(turn))


def stored_kind(header: Image.Image) -> str:
    """What the file of an image holds that is not decoded yet: "RGB;16B", "L;4"."""
    kind = header.tile[0][3] if header.tile else ""
    return kind if isinstance(kind, str) else str(kind[0] if kind else "")


def _as_rgb(
    path: ImageFile, image: Image.Image, stored: str, white: int
) -> Image.Image:
    if depth_is_16(image):
        values = np.asarray(image).astype(np.int32)
        if white == WHITE:
            _warn_dark_once(path, int(values.max()))
            values = values >> 8
        else:
            values = np.minimum(values * 255 // white, 255)
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        signed = stored.startswith("I;16") and stored.endswith("S")
        kind = "values with a sign" if signed else "32 bits per channel"
        raise InputError(f"{path} has {kind}; convert it to 8 or 16 bits.")
    if ";16" in stored:  # Pillow has taken the high bytes
        _warn_dark_once(path, max(high for _, high in _extrema(image)) << 8)
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image.info.pop("transparency", None)
        _warn_alpha_once(path)
    # Converting RGB to RGB would copy it.
    return image if image.mode == "RGB" else image.convert("RGB")


def _extrema(image: Image.Image) -> tuple[tuple[int, int], ...]:
    found = image.getextrema()
    return found if isinstance(found[0], tuple) else (found,)


def _warn_dark_once(path: ImageFile, largest: int) -> None:
    if 0 < largest < 1 << 12 and not _DARK_WARNED:
        _DARK_WARNED.append(path)
        warnings.warn(
            f"{path} has 16 bits per channel, of which at most {largest.bit_length()} "
            "are used, so it is nearly black; if white is 4095, as of 12 bits, set "
            "white=4095 (said once).",
            stacklevel=5,
        )


def _warn_alpha_once(path: ImageFile) -> None:
    if not _ALPHA_WARNED:
        _ALPHA_WARNED.append(path)
        warnings.warn(
            f"{path} has an alpha channel, which is dropped (said once).", stacklevel=5
        )


def depth_is_16(image: Image.Image) -> bool:
    """Whether an opened image has one channel of 16 bits without a sign."""
    is_grey = image.mode == "I" and image.format in ("PNG", "PPM")
    return is_grey or image.mode.startswith("I;16")


def open_image(path: ImageFile, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Reads a file's header, and refuses what should not be decoded.

    Args:
        path: The image file.
        max_pixels: The most pixels (height x width) that it may claim.

    Returns:
        A Pillow image that is not decoded yet. Close it, or use it in a `with`.

    Raises:
        DamagedFileError: If the file is no image, its header is broken or does not end,
            or it is too short for its pixels or lacks parts, which would be black.
        InputError: If the file cannot be opened, has more than `max_pixels` pixels or
            more than one frame, or there is not enough memory.
    """
    try:
        inside = isinstance(path, EncodedImage)
        source = _Source(io.BytesIO(path.content) if inside else open_regular(path))
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
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_too_large(path, "too many", max_pixels)) from error
    except Image.UnidentifiedImageError as error:
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
    return image


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
        self._file.close()  # Pillow closes only what it opened


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
    return (
        f"{path} claims {size} pixels, more than the limit of {max_pixels}; cut it "
        "into smaller images."
    )


def decode(path: ImageFile, image: Image.Image) -> None:
    """Decodes an opened image in place.

    Raises:
        DamagedFileError: If the file's pixels are cut off, missing or garbled.
        InputError: If there is not enough memory.
    """
    try:
        if image.format == "PNG":
            _load_png(image)
        elif image.format in _JPEG_FORMATS:
            _load_jpeg(image)
        else:
            _check_rarities(image)
            image.load()
    except MemoryError as error:
        raise InputError(_memory_sentence(path)) from error
    except Exception as error:  # which one depends on the format and the damage
        raise DamagedFileError(damage_sentence(path, error)) from error


def _check_rarities(image: Image.Image) -> None:
    is_plain_text = image.tile and image.tile[0][0] == "ppm_plain"
    if is_plain_text and b"#" in _content(image)[image.tile[0][2] :]:
        raise ValueError("there is a comment among its pixels")  # many take a minute
    if image.format == "TIFF" and image.info.get("compression") == "jpeg":
        for strip in tiff_jpegs(_content(image), image.tag_v2):
            _load_jpeg(Image.open(io.BytesIO(strip)))


def _content(image: Image.Image) -> bytes:
    """All bytes of an opened image's file."""
    position = image.fp.tell()
    image.fp.seek(0)
    content = image.fp.read()
    image.fp.seek(position)
    return content


def _load_png(image: Image.Image) -> None:
    rows = packed_rows(_content(image))
    counted = rows.may_lack_rows()
    if counted:
        rows.check_complete()
    image.load()
    # What is missing is left at zero, to the last row.
    last_row = image.crop((0, image.height - 1, *image.size))
    if not counted and not np.asarray(last_row).any():
        rows.check_complete()


def _load_jpeg(image: Image.Image) -> None:
    content = _content(image)
    if check_jpeg(content):
        eighth = max(image.width // 8, 1), max(image.height // 8, 1)
        _check_jpeg_end(content, _open_jpeg(content, eighth), eighth)
    _check_jpeg_end(content, image, image.size)


def _open_jpeg(content: bytes, size: tuple[int, int]) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.draft(None, size)
    return image


def _check_jpeg_end(content: bytes, image: Image.Image, size: tuple[int, int]) -> None:
    image.load()
    last = image.getpixel((image.width - 1, image.height - 1))
    last = {"L": (last,), "RGB": last}.get(image.mode, ())
    if jpeg_may_be_cut(content, last) and not is_whole_jpeg(content, image, size):
        raise ValueError("its last pixels are missing")


def is_whole_jpeg(content: bytes, pixels, size: tuple[int, int]) -> bool:
    """Whether a JPEG has all of its pixels; libjpeg makes others grey.

    Args:
        content: The file.
        pixels: What it was decoded to, an image or an array.
        size: Width and height that were asked for.
    """
    return np.array_equal(_open_jpeg(jpeg_with_more_data(content), size), pixels)


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
