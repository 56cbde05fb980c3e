"""The header of an image file, and what is refused from the header alone."""

from pathlib import Path

from PIL import Image

from keras_lraspp.errors import InputError

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright


class DamagedFileError(InputError):
    """A file that is cut off, empty, garbled or no image at all."""


def open_image(path: str | Path) -> Image.Image:
    """Reads a file's header, and refuses what should not be decoded.

    Returns:
        A Pillow image that is not decoded yet. Close it, or use it in a `with`.

    Raises:
        DamagedFileError: If the file is no image or its header is broken.
        InputError: If the file cannot be opened, has more than `MAX_PIXELS` pixels or
            more than one frame.
    """
    try:
        image = Image.open(path, formats=_FORMATS)
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
    return image


def decode(path: str | Path, image: Image.Image) -> None:
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


def broken(path: str | Path, error: Exception) -> str:
    """Says that a file is damaged, and how it showed."""
    return f"{path} is damaged ({error}); replace it, or leave it out."


def _first_bytes(path: str | Path) -> str:
    with open(path, "rb") as file:
        start = file.read(16)
    return f"it starts with {start!r}" if start else "it has zero bytes"


def _too_large(path: str | Path, size: str) -> str:
    return (
        f"{path} claims {size} pixels, more than the limit of {MAX_PIXELS}; cut it "
        "into smaller images."
    )
