"""The header of an image file, and what is refused from the header alone."""

import dataclasses
import io
import os
from pathlib import Path

from PIL import Image

from keras_lraspp.errors import InputError

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
# What one byte of a JPEG can stand for: a bit at least for each block of 8x8 pixels.
_JPEG_PIXELS_PER_BYTE = 8 * 64
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright


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


def open_image(path: ImageFile) -> Image.Image:
    """Reads a file's header, and refuses what should not be decoded.

    Returns:
        A Pillow image that is not decoded yet. Close it, or use it in a `with`.

    Raises:
        DamagedFileError: If the file is no image, its header is broken, or it is a JPEG
            too short for its pixels, which would decode to grey.
        InputError: If the file cannot be opened, has more than `MAX_PIXELS` pixels or
            more than one frame.
    """
    try:
        inside = isinstance(path, EncodedImage)
        source = io.BytesIO(path.content) if inside else path
        image = Image.open(source, formats=_FORMATS)
        # A phone's MPO is a JPEG with a second picture behind it, not an animation.
        animated = image.format != "MPO" and getattr(image, "is_animated", False)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_too_large(path, "too many")) from error
    except Image.UnidentifiedImageError as error:
        raise DamagedFileError(
            f"{path} is not an image ({_first_bytes(path)}); replace it with a PNG or "
            "JPEG file."
        ) from error
    except Exception as error:  # Pillow lets many types through for a broken header
        # Pillow's own OSError, about what it read, has no number.
        if getattr(error, "errno", None) is None:
            raise DamagedFileError(broken(path, error)) from error
        raise InputError(
            f"Cannot read {path}: {error.strerror}; check the path and its permissions."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(_too_large(path, f"{image.width}x{image.height}"))
    if animated:
        image.close()
        raise InputError(f"{path} is animated; give a file with a single picture.")
    if image.format in ("JPEG", "MPO"):
        size = len(path.content) if inside else os.path.getsize(path)
        if image.width * image.height > size * _JPEG_PIXELS_PER_BYTE:
            image.close()
            claim = f"{image.width}x{image.height} pixels in {size} bytes"
            raise DamagedFileError(broken(path, f"it claims {claim}"))
    return image


def decode(path: ImageFile, image: Image.Image) -> None:
    """Decodes an opened image in place.

    Raises:
        DamagedFileError: If the file's pixels are cut off or garbled.
    """
    try:
        image.load()
    except Exception as error:  # which one depends on the format and the damage
        raise DamagedFileError(broken(path, error)) from error


def orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image; 1 is upright, or no EXIF that makes sense.

    A PNG is decoded for it, as its EXIF may follow the pixels.
    """
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # which one depends on the damage
        return 1


def broken(path: ImageFile, error: Exception | str) -> str:
    """Says that a file is damaged, and how it showed."""
    return f"{path} is damaged ({error}); replace it, or leave it out."


def first_bytes(path: ImageFile, count: int) -> bytes:
    """The start of an image file."""
    if isinstance(path, EncodedImage):
        return path.content[:count]
    with open(path, "rb") as file:
        return file.read(count)


def _first_bytes(path: ImageFile) -> str:
    start = first_bytes(path, 16)
    return f"it starts with {start!r}" if start else "it has zero bytes"


def _too_large(path: ImageFile, size: str) -> str:
    return (
        f"{path} claims {size} pixels, more than the limit of {MAX_PIXELS}; cut it "
        "into smaller images."
    )
