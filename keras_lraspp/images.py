"""Safe reading of image files: open, check, decode and convert to RGB."""

import dataclasses
import io
import os
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
ALPHA_MODES = ("RGBA", "LA", "PA", "RGBa", "La")
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
# What one byte of a JPEG can stand for: a bit at least for each block of 8x8 pixels.
_JPEG_PIXELS_PER_BYTE = 8 * 64
# The last bytes of a whole file.
_ENDS = {"PNG": b"IEND\xaeB`\x82", "JPEG": b"\xff\xd9"}
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
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


def read_image(
    path: ImageFile, *, apply_exif: bool = True, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Reads an image of any usual kind as RGB.

    Grey, palette and CMYK images become RGB; an alpha channel is dropped with one
    warning; of 16 bits per channel the high byte is kept (value // 256).

    Args:
        path: The image file.
        apply_exif: Whether to turn the image upright as its EXIF orientation says.
            Not for training, where labels belong to the pixels as stored.
        max_pixels: The most pixels (height x width) that are decoded. Twice
            `PIL.Image.MAX_IMAGE_PIXELS` is Pillow's own limit.

    Returns:
        uint8 (height, width, 3).

    Raises:
        InputError: As `open_image` does; or for a damaged file, or pixels that are
            floats or 32-bit integers.
    """
    with open_image(path, max_pixels) as image:
        decode(path, image)
        turn = _TURNS.get(exif_orientation(image)) if apply_exif else None
        rgb = _as_rgb(path, image)
        return np.asarray(rgb if turn is None else rgb.transpose(turn))


def _as_rgb(path: ImageFile, image: Image.Image) -> Image.Image:
    if _depth_is_16(image):
        high = (channel_values(image) >> 8).astype(np.uint8)
        return Image.fromarray(high).convert("RGB")
    if image.mode in ("I", "F"):
        raise InputError(f"{path} has 32 bits per channel; convert it to 8 or 16 bits.")
    if image.mode in ALPHA_MODES or "transparency" in image.info:
        image.info.pop("transparency", None)
        _warn_alpha_once(path)
    # Converting RGB to RGB would copy it.
    return image if image.mode == "RGB" else image.convert("RGB")


def _warn_alpha_once(path: ImageFile) -> None:
    if not _ALPHA_WARNED:
        _ALPHA_WARNED.append(path)
        warnings.warn(
            f"{path} has an alpha channel, which is dropped (said once).", stacklevel=4
        )


def channel_values(image: Image.Image, path: ImageFile = "") -> np.ndarray:
    """Values of a single-channel image as the file holds them: (height, width)."""
    values = np.asarray(image)
    if image.mode in ("P", "1"):
        return values.astype(np.uint8)
    if image.mode == "L":
        # Pillow stretches grey of 2 and 4 bits to 0..255.
        return values // {2: 85, 4: 17}.get(_png_bit_depth(image, path), 1)
    if _depth_is_16(image):
        return values.astype(np.int32)
    raise InputError(
        f"The label {path} has the pixel format {image.mode}; save it with one channel "
        "of 8 or 16 bits that holds the class of each pixel."
    )


def _png_bit_depth(image: Image.Image, path: ImageFile) -> int:
    if image.format != "PNG" or not path:
        return 8
    return _read_start(path, 25)[24]


def _depth_is_16(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG")


def open_image(path: ImageFile, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Reads a file's header, and refuses what should not be decoded.

    Args:
        path: The image file.
        max_pixels: The most pixels (height x width) that it may claim.

    Returns:
        A Pillow image that is not decoded yet. Close it, or use it in a `with`.

    Raises:
        DamagedFileError: If the file is no image, its header is broken, or it is a JPEG
            too short for its pixels, which would decode to grey.
        InputError: If the file cannot be opened, has more than `max_pixels` pixels or
            more than one frame.
    """
    try:
        source = io.BytesIO(path.content) if isinstance(path, EncodedImage) else path
        image = Image.open(source, formats=_FORMATS)
        # A phone's MPO is a JPEG with a second picture behind it, not an animation.
        animated = image.format != "MPO" and getattr(image, "is_animated", False)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(_too_large(path, "too many", max_pixels)) from error
    except Image.UnidentifiedImageError as error:
        raise DamagedFileError(
            f"{path} is not an image ({_describe_start(path)}); replace it with a PNG "
            "or JPEG file."
        ) from error
    except Exception as error:  # Pillow lets many types through for a broken header
        # Pillow's own OSError, about what it read, has no number.
        if getattr(error, "errno", None) is None:
            raise DamagedFileError(damage_sentence(path, error)) from error
        raise InputError(
            f"Cannot read {path}: {error.strerror}; check the path and its permissions."
        ) from error
    try:
        _check_header(path, image, animated, max_pixels)
    except InputError:
        image.close()
        raise
    return image


def _check_header(
    path: ImageFile, image: Image.Image, animated: bool, max_pixels: int
) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise InputError(_too_large(path, f"{image.width}x{image.height}", max_pixels))
    if animated:
        raise InputError(f"{path} is animated; give a file with a single picture.")
    if image.format in ("JPEG", "MPO"):
        inside = isinstance(path, EncodedImage)
        size = len(path.content) if inside else os.path.getsize(path)
        if pixels > size * _JPEG_PIXELS_PER_BYTE:
            claim = f"{image.width}x{image.height} pixels in {size} bytes"
            raise DamagedFileError(damage_sentence(path, f"it claims {claim}"))


def _describe_start(path: ImageFile) -> str:
    start = _read_start(path, 16)
    return f"it starts with {start!r}" if start else "it has zero bytes"


def _read_start(path: ImageFile, count: int) -> bytes:
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
        DamagedFileError: If the file's pixels are cut off or garbled.
    """
    try:
        image.load()
    except Exception as error:  # which one depends on the format and the damage
        raise DamagedFileError(damage_sentence(path, error)) from error


def damage_sentence(path: ImageFile, error: Exception | str) -> str:
    """Says that a file is damaged, and how it showed."""
    return f"{path} is damaged ({error}); replace it, or leave it out."


def check_image_file(path: Path) -> tuple[int, int]:
    """Checks an image file's header and that it has not been cut off.

    Only where the end looks unusual (bytes appended to it, a rare format) is the image
    decoded.

    Args:
        path: The image file.

    Returns:
        Height and width of the pixels as stored.

    Raises:
        InputError: As `read_image` does.
    """
    with open_image(path) as image:
        width, height = image.size
        whole = _ends_well(path, image)
    if not whole:
        read_image(path, apply_exif=False)
    return height, width


def _ends_well(path: Path, image: Image.Image) -> bool:
    end = _ENDS.get(image.format)
    if end is None:
        return False
    with open(path, "rb") as file:
        file.seek(-len(end), os.SEEK_END)
        return file.read() == end


def size_mismatch(
    image_path: Path,
    image_size: tuple[int, int],
    label_path: Path,
    label_size: tuple[int, int],
) -> str | None:
    """Says how a label's height and width differ from its image's; `None` if not."""
    if tuple(image_size) == tuple(label_size):
        return None
    with open_image(image_path) as image:
        turned = exif_orientation(image)
    advice = "labels are never resized here: correct one of the two"
    if turned != 1:
        advice = (
            f"the image has the EXIF orientation {turned}: save it upright, as its "
            "label is, without that tag"
        )
    return (
        f"{image_path} is {image_size[0]}x{image_size[1]} (height x width) but its "
        f"label {label_path} is {label_size[0]}x{label_size[1]}; {advice}."
    )


def exif_orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image; 1 is upright, or no EXIF that makes sense.

    A PNG is decoded for it, as its EXIF may follow the pixels.
    """
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # which one depends on the damage
        return 1
