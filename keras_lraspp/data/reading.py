"""One image or label file, from disk to pixels, whatever kind it is."""

import warnings

import numpy as np
from PIL import Image

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_values import classes_of_colors, classes_of_values
from keras_lraspp.data.opening import (
    ImageFile,
    decode,
    first_bytes,
    open_image,
    orientation,
)
from keras_lraspp.errors import InputError

_WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
_ALPHA_WARNED: list[ImageFile] = []
_TURNS = {  # EXIF orientation: what makes the image upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_image(path: ImageFile, *, apply_exif: bool = True) -> np.ndarray:
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
        decode(path, image)
        turn = _TURNS.get(orientation(image)) if apply_exif else None
        rgb = _as_rgb(path, image)
        return np.asarray(rgb if turn is None else rgb.transpose(turn))


def read_label(path: ImageFile, dataset: Dataset) -> np.ndarray:
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
        decode(path, image)
        if image.mode in _WITH_ALPHA:
            raise InputError(
                f"The label {path} has an alpha channel; save it with one channel that "
                "holds the class of each pixel."
            )
        if image.mode == "RGB":
            return classes_of_colors(path, np.asarray(image), dataset)
        return classes_of_values(path, _integers(image, path), dataset)


def _as_rgb(path: ImageFile, image: Image.Image) -> Image.Image:
    if _depth_is_16(image):
        return Image.fromarray((_integers(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise InputError(f"{path} has 32 bits per channel; convert it to 8 or 16 bits.")
    if image.mode in _WITH_ALPHA or "transparency" in image.info:
        image.info.pop("transparency", None)
        _warn_alpha_once(path)
    # Converting RGB to RGB would copy it.
    return image if image.mode == "RGB" else image.convert("RGB")


def _depth_is_16(image: Image.Image) -> bool:
    return image.mode.startswith("I;16") or (image.mode, image.format) == ("I", "PNG")


def _integers(image: Image.Image, path: ImageFile = "") -> np.ndarray:
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
    return first_bytes(path, 25)[24]


def _warn_alpha_once(path: ImageFile) -> None:
    if not _ALPHA_WARNED:
        _ALPHA_WARNED.append(path)
        warnings.warn(
            f"{path} has an alpha channel, which is dropped (said once).", stacklevel=4
        )
