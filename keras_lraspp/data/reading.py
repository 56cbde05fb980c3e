"""One image or label file, from disk to pixels, whatever kind it is."""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_values import classes_of_colors, classes_of_values
from keras_lraspp.errors import InputError

MAX_PIXELS = 2**26  # 8192 x 8192; a small file can claim any size
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
_ORIENTATION = 0x0112  # EXIF tag; 1 is upright
_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_ALPHA_WARNED: list[Path] = []


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
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except Exception as error:  # Pillow lets many types through for a broken header
        raise DamagedFileError(_broken(path, error)) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise InputError(_too_large(path, f"{image.width}x{image.height}"))
    if animated:
        image.close()
        raise InputError(f"{path} is animated; give a file with a single picture.")
    return image


def read_image(path: str | Path, *, apply_exif: bool = True) -> np.ndarray:
    """Reads an image of any usual kind as RGB.

    Grey, palette and CMYK images become RGB; an alpha channel is dropped with one
    warning; of 16 bits per channel the high byte is kept (value // 256).

    Args:
        path: The image file.
        apply_exif: Whether to turn the image upright as its EXIF orientation says.
            Not for training, where labels belong to the pixels as stored.

    Returns:
        uint8 (height, width, 3).

    Raises:
        InputError: As `open_image` does; or for a damaged file, or pixels that are
            floats or 32-bit integers.
    """
    with open_image(path) as image:
        _decode(path, image)
        if apply_exif:
            ImageOps.exif_transpose(image, in_place=True)
        if _depth_is_16(image):
            return np.repeat(_integers(image)[..., None] >> 8, 3, -1).astype(np.uint8)
        if image.mode in ("I", "F"):
            raise InputError(
                f"{path} has 32 bits per channel; convert it to 8 or 16 bits."
            )
        if image.mode in _WITH_ALPHA or "transparency" in image.info:
            image.info.pop("transparency", None)
            _warn_alpha_once(Path(path))
        return np.asarray(image.convert("RGB"))


def read_label(path: str | Path, dataset: Dataset) -> np.ndarray:
    """Reads a label file as classes.

    Palette images give their indices, 16-bit images their whole values; RGB masks are
    read by the data set's `color_map`. Then `label_lookup` is applied. Values that
    are neither a class nor the ignore label are returned as they are.

    Args:
        path: The label file, a PNG or another lossless image.
        dataset: Says what the file's values mean.

    Returns:
        Integers (height, width): uint8 where they fit, else int32.

    Raises:
        InputError: As `open_image` does; or for a damaged file, a lossy one, one with
            an alpha channel, or an RGB mask that no `color_map` explains.
    """
    with open_image(path) as image:
        if image.format in ("JPEG", "MPO"):
            raise InputError(
                f"The label {path} is a JPEG, which blurs labels; save it as a PNG."
            )
        _decode(path, image)
        if image.mode in _WITH_ALPHA:
            raise InputError(
                f"The label {path} has an alpha channel; save it with one channel that "
                "holds the class of each pixel."
            )
        if image.mode == "RGB":
            return classes_of_colors(path, np.asarray(image), dataset)
        return classes_of_values(path, _integers(image, path), dataset)


def orientation(image: Image.Image) -> int:
    """EXIF orientation of an opened image; 1 is upright."""
    # Asking a PNG for its EXIF decodes it, as the chunk may follow the pixels.
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    return image.getexif().get(_ORIENTATION, 1)


def _decode(path: str | Path, image: Image.Image) -> None:
    try:
        image.load()
    except Exception as error:  # which one depends on the format and the damage
        raise DamagedFileError(_broken(path, error)) from error


def _depth_is_16(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG")


def _integers(image: Image.Image, path: str | Path = "") -> np.ndarray:
    """Values of a single-channel image as the file holds them: (height, width)."""
    values = np.asarray(image)
    if image.mode in ("P", "1"):
        return values.astype(np.uint8)
    if image.mode == "L":
        # Pillow stretches grey of 2 and 4 bits to 0..255.
        return values // {2: 85, 4: 17}.get(_png_bit_depth(image), 1)
    if _depth_is_16(image):
        return values.astype(np.int32)
    raise InputError(
        f"The label {path} has the pixel format {image.mode}; save it with one channel "
        "of 8 or 16 bits that holds the class of each pixel."
    )


def _png_bit_depth(image: Image.Image) -> int:
    if image.format != "PNG" or image.filename is None:
        return 8
    with open(image.filename, "rb") as file:
        return file.read(25)[24]


def _warn_alpha_once(path: Path) -> None:
    if not _ALPHA_WARNED:
        _ALPHA_WARNED.append(path)
        warnings.warn(
            f"{path} has an alpha channel, which is dropped (said once).", stacklevel=3
        )


def _first_bytes(path: str | Path) -> str:
    with open(path, "rb") as file:
        start = file.read(16)
    return f"it starts with {start!r}" if start else "it has zero bytes"


def _too_large(path: str | Path, size: str) -> str:
    return (
        f"{path} claims {size} pixels, more than the limit of {MAX_PIXELS}; cut it "
        "into smaller images."
    )


def _broken(path: str | Path, error: Exception) -> str:
    return f"{path} is damaged ({error}); replace it, or leave it out."
