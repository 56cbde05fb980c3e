"""Pixels of paths, encoded bytes, open files, PIL images, arrays and tensors."""

import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Protocol

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.images import (
    WHITE,
    EncodedImage,
    damage_sentence,
    exif_orientation,
    naming_memory_errors,
    read_image,
    stored_kind,
    turned,
)
from keras_lraspp.inference.functions import check_array
from keras_lraspp.pixels import check_channels, convert_channels

_ADDRESS = re.compile(r"(?i)data:|[a-z][a-z0-9+.-]+:/")  # not a drive, "c:/"
_LONGEST_PATH = 4096  # characters; Linux takes no more
_MOST_BYTES = 2**30  # of an encoded image; a stream may have no end


class SupportsArray(Protocol):
    """An array, or a tensor of any backend."""

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a NumPy array."""
        ...


Picture = str | os.PathLike | bytes | IO[bytes] | Image.Image | SupportsArray


def read_picture(picture: Picture, channels: int = 3) -> np.ndarray:
    """Returns the pixels of a picture, whatever holds it.

    Args:
        picture: Path of a file; the bytes of one; a file that is open for reading
            bytes, which is read from its start; a PIL image; or an array or tensor of
            uint8 (H, W, channels) or (B, H, W, channels), also (H, W) for one channel.
            The orientation that a camera noted is applied to all but the last.
        channels: As `read_image` has them; 3 are RGB.

    Returns:
        uint8 (H, W, channels), or (B, H, W, channels).

    Raises:
        InputError: If it is none of these, cannot be read, or has other channels.
    """
    if isinstance(picture, (str, os.PathLike)):
        return _read_path(os.fsdecode(picture), channels)
    if isinstance(picture, (bytes, bytearray, memoryview)):
        content = bytes(picture)
        name = f"The picture of {len(content)} bytes"
        return read_image(EncodedImage(name, content), channels=channels)
    if isinstance(picture, Image.Image):
        return _read_pillow(picture_path(picture) or "The PIL image", picture, channels)
    if hasattr(picture, "read"):
        return _read_open_file(picture, channels)
    if hasattr(picture, "__array__"):
        return check_array(_as_array(picture, channels), channels)
    raise InputError(
        f"An image is a path, the bytes of a file, an open file, a PIL image, or an "
        f"array or tensor of uint8, not {type(picture).__name__}; give one of these, "
        f"or a list of them."
    )


def picture_path(picture: Picture) -> str | None:
    """The path of a picture, if it or what it was read from has one."""
    if isinstance(picture, (str, os.PathLike)):
        return os.fsdecode(picture)
    name = getattr(picture, "filename", None) or getattr(picture, "name", None)
    return os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else None


def holds_pictures(picture: Any) -> bool:
    """Whether something is an iterable of pictures, and no picture itself."""
    single = (str, bytes, bytearray, memoryview, os.PathLike, Image.Image, Mapping)
    if isinstance(picture, single) or not isinstance(picture, Iterable):
        return False
    return not (hasattr(picture, "read") or hasattr(picture, "__array__"))


def _read_path(name: str, channels: int) -> np.ndarray:
    path = Path(os.path.expanduser(name))
    if len(name) > _LONGEST_PATH and not name.startswith("data:"):
        raise InputError(
            f"A text of {len(name)} characters is no path; give the file or, as "
            f"base64.b64decode(text), its bytes."
        )
    if os.path.isdir(path):
        raise InputError(
            f"{name or 'The empty path'} is a folder, not an image; give its files, as "
            f"Path(folder).glob('*.jpg')."
        )
    if _ADDRESS.match(name) and not os.path.lexists(path):
        raise InputError(
            f"{name[:200]} is an address, not a file; download it first, and give the "
            f"file or its bytes."
        )
    return read_image(path, channels=channels)


def _read_open_file(file: Any, channels: int) -> np.ndarray:
    name = picture_path(file) or f"The {type(file).__name__}"
    if isinstance(file, io.TextIOBase):
        raise InputError(f"{name} is open as text; open it with mode 'rb'.")
    parts, size = [], 0
    try:
        if not hasattr(file, "seekable") or file.seekable():
            file.seek(0)  # as Pillow does: it may just have been written
        while part := file.read(1 << 20):
            parts.append(part)
            size += len(part)
            if size > _MOST_BYTES:
                raise InputError(f"{name} has more than {_MOST_BYTES} bytes; cut it.")
    except (OSError, ValueError, AttributeError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"{name} cannot be read ({error}); give a file that is open for reading "
            f"bytes."
        ) from error
    return read_image(EncodedImage(name, b"".join(parts)), channels=channels)


@naming_memory_errors
def _read_pillow(name: str, image: Image.Image, channels: int) -> np.ndarray:
    """Reads a PIL image as `read_image` reads its file."""
    stored = stored_kind(image) if hasattr(image, "tile") else ""
    orientation = exif_orientation(image)
    try:
        image.load()
    except MemoryError:
        raise
    except Exception as error:  # which one depends on the format and the damage
        raise InputError(damage_sentence(name, error)) from error
    check_channels(name, image, channels)
    if "transparency" in image.info:  # which is taken off, and the image is not ours
        image = image.copy()
    image = convert_channels(name, image, stored, WHITE, channels)
    pixels = np.array(image)  # a copy: the image may be drawn on later
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    return np.ascontiguousarray(turned(pixels, orientation))


def _as_array(array: Any, channels: int) -> np.ndarray:
    if hasattr(array, "detach"):  # PyTorch's, which may be on a device
        array = array.detach().cpu()
    try:
        array = np.asarray(array)
    except Exception as error:  # of the backend: a tensor without values
        raise InputError(
            f"The {type(array).__name__} has no pixels yet ({error}); give an array."
        ) from error
    return array[..., None] if channels == 1 and array.ndim == 2 else array
