"""Decoding of images and labels by TensorFlow, and of the first rows of a PNG."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes seconds, which listing files need not wait for
    import tensorflow as tf
import numpy as np
from PIL import Image

from keras_lraspp.data.label_spec import (
    LabelSpec,
    classes_of_values,
    label_dtype,
    read_label,
)
from keras_lraspp.data.label_values import (
    count_values,
    explain_illegal,
    illegal_values,
    sum_values,
)
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError
from keras_lraspp.files import open_regular
from keras_lraspp.image_bytes import (
    PNG_HEADER,
    PNG_SIGNATURE,
    check_jpeg,
    jpeg_may_be_cut,
    packed_rows,
    png_chunks,
)
from keras_lraspp.images import (
    WHITE,
    EncodedImage,
    ImageFile,
    header_orientation,
    image_orientation,
    naming_memory_errors,
    open_bands,
    open_image,
    read_image,
)
from keras_lraspp.pixels import is_whole_jpeg, stored_kind

try:
    from isal import isal_zlib
except ImportError:  # not on this kind of machine: TensorFlow decodes everything
    isal_zlib = None

_GREY_PNG, _JPEG = ("PNG", "L", "L"), ("JPEG", "RGB", "RGB")
# PNGs of so many channels that need no conversion.
_PNGS = {1: _GREY_PNG, 3: ("PNG", "RGB", "RGB"), 4: ("PNG", "RGBA", "RGBA")}
_CHANNELS = {0: 1, 2: 3, 6: 4}  # of the colour types grey, RGB and RGBA
_STORED = 65535  # bytes at most in a block that is not compressed


def load_sample(
    image_path: ImageFile,
    label_path: ImageFile,
    spec: LabelSpec,
    window: Window | None = None,
    upright: bool = False,
    white: int = WHITE,
    channels: int = 3,
) -> tuple[tf.Tensor | np.ndarray, np.ndarray]:
    """Reads an image and its label, and checks that they belong together.

    Pixels are those of `read_image`, turned only if `upright`, and `read_label`. The
    usual kinds are decoded by TensorFlow, which is faster than Pillow, and of a PNG no
    rows below the window (integers; `None` for the whole image).

    Returns:
        uint8 (height, width, channels), and classes (height, width) of
        `label_dtype(spec)`.

    Raises:
        InputError: If a file cannot be used, the sizes differ, or a label is neither a
            class nor ignored.
    """
    if window is None:
        image = load_image(image_path, None, upright, white, channels)
        label = load_label(label_path, spec)
    else:
        # Regions of one size may be cut from files of two.
        with open_image(label_path) as header:
            label_size = header.height, header.width
        image_size = window.height, window.width
        _check_same_size(image_path, image_size, label_path, label_size, channels)
        region = np.s_[window.top : window.bottom, window.left : window.right]
        rows = window.bottom
        image = load_image(image_path, rows, upright, white, channels)[region]
        label = load_label(label_path, spec, window.bottom)[region]
    paths, size = (image_path, label_path), image.shape[:2]
    return image, check_label(label, size, *paths, spec, channels)


def check_label(
    label: np.ndarray,
    image_size: tuple[int, int],
    image_path: ImageFile,
    label_path: ImageFile,
    spec: LabelSpec,
    channels: int = 3,
) -> np.ndarray:
    """Returns a label as `label_dtype(spec)`, if it fits its image and holds classes.

    Raises:
        InputError: If the sizes differ, or a label is neither a class nor ignored.
    """
    _check_same_size(image_path, image_size, label_path, label.shape, channels)
    wrong = illegal_values(label, spec)
    if wrong:
        counts = sum_values([count_values(label)])
        raise InputError(explain_illegal(wrong, [label_path], spec, counts))
    return label.astype(label_dtype(spec), copy=False)


def size_mismatch(
    image_path: ImageFile,
    image_size: tuple[int, int],
    label_path: ImageFile | str,
    label_size: tuple[int, int],
    channels: int = 3,
) -> str | None:
    """Says how a label's height and width differ from its image's; `None` if not."""
    if tuple(image_size) == tuple(label_size):
        return None
    turned = image_orientation(image_path, channels)
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


def _check_same_size(*arguments) -> None:
    mismatch = size_mismatch(*arguments)
    if mismatch:
        raise InputError(mismatch)


@naming_memory_errors
def load_image(
    path: ImageFile,
    rows: int | None = None,
    upright: bool = False,
    white: int = WHITE,
    channels: int = 3,
) -> tf.Tensor | np.ndarray:
    """Reads the first rows of `read_image`, or all; turned only if `upright`."""
    if open_bands(path, channels) is not None:
        pixels = read_image(path, apply_exif=upright, white=white, channels=channels)
        return pixels[:rows]
    with open_image(path) as header:
        kind = _kind(header)
        turned = upright and header_orientation(header) != 1
    if kind == _PNGS.get(channels) and not turned:
        pixels = _decode_png(path, channels, rows)
        if pixels is not None:
            return pixels
    if kind == _JPEG and channels == 3 and not turned:
        pixels = _decode_jpeg(path)
        if pixels is not None:
            return pixels[:rows]
    # Other kinds; and Pillow names the fault, if there is one.
    pixels = read_image(path, apply_exif=turned, white=white, channels=channels)
    return pixels[:rows]


@naming_memory_errors
def load_label(path: ImageFile, spec: LabelSpec, rows: int | None = None) -> np.ndarray:
    """Reads the first rows of `read_label`, or all; not checked."""
    with open_image(path) as header:
        kind = _kind(header)
    if kind == _GREY_PNG and spec.color_map is None:
        values = _decode_png(path, 1, rows)
        if values is not None:
            return classes_of_values(path, np.asarray(values)[..., 0], spec)
    return read_label(path, spec)[:rows]


def is_plain_jpeg(path: ImageFile) -> bool:
    """Whether an image file is an upright JPEG that TensorFlow decodes."""
    with open_image(path) as header:
        return _kind(header) == _JPEG and header_orientation(header) == 1


def _decode_png(path: ImageFile, channels: int, rows: int | None) -> tf.Tensor | None:
    content = _content(path)
    if isal_zlib is not None:
        return decode_png_rows(content, rows)
    try:
        dense = not packed_rows(content).may_lack_rows()
    except ValueError:
        return None
    pixels = _by_tensorflow("decode_png", content, channels) if dense else None
    return None if pixels is None else pixels[:rows]


def _decode_jpeg(path: ImageFile) -> tf.Tensor | None:
    content = _content(path)
    try:
        if check_jpeg(content):
            return None
    except ValueError:
        return None
    # Pillow's way of computing the cosine transform.
    pixels = _by_tensorflow("decode_jpeg", content, 3, dct_method="INTEGER_ACCURATE")
    if pixels is not None and jpeg_may_be_cut(content, pixels[-1, -1].numpy()):
        height, width, _ = pixels.shape
        return pixels if is_whole_jpeg(content, pixels, (width, height)) else None
    return pixels


def _by_tensorflow(decoder: str, content: bytes, channels: int, **options):
    """Decodes by `tf.io`; `None` if the file is damaged."""
    import tensorflow as tf

    try:
        return getattr(tf.io, decoder)(content, channels, **options)
    except tf.errors.InvalidArgumentError:
        return None
    except tf.errors.ResourceExhaustedError as error:
        raise MemoryError from error


def _content(path: ImageFile) -> bytes:
    if isinstance(path, EncodedImage):
        return path.content
    with open_regular(path) as file:
        return file.read()


def _kind(header: Image.Image) -> tuple:
    """Format, mode, and what the file itself holds ("RGB;16B", "L;4", ...)."""
    return header.format, header.mode, stored_kind(header)


def decode_png_rows(content: bytes, rows: int | None = None) -> tf.Tensor | None:
    """Decodes the first rows of a PNG.

    Args:
        content: The file's bytes.
        rows: How many; `None` for all, as if the image has fewer.

    Returns:
        uint8 (rows, width, 1, 3 or 4), the pixels that the whole image has there;
        `None` if the file is damaged, or not of 8 bits grey, RGB or RGBA in plain
        order.
    """
    if isal_zlib is None:
        return None
    try:
        _check_sums(content)
        packed = packed_rows(content)
        width, height, depth, color, *_, interlaced = packed.header
        if depth != 8 or color not in _CHANNELS or interlaced:
            return None
        channels = _CHANNELS[color]
        rows = height if rows is None else min(rows, height)
        size = rows * (1 + width * channels)
        filtered = isal_zlib.decompressobj().decompress(b"".join(packed.parts), size)
    except (ValueError, isal_zlib.error):
        return None
    if len(filtered) != size:
        return None
    header = PNG_HEADER.pack(width, rows, 8, color, 0, 0, 0)
    return _by_tensorflow("decode_png", _uncompressed_png(header, filtered), channels)


def _check_sums(content: bytes) -> None:
    view = memoryview(content)
    for _, start, stop in png_chunks(content):
        (checksum,) = struct.unpack_from(">I", view, stop)
        if isal_zlib.crc32(view[start - 4 : stop]) != checksum:
            raise ValueError("a checksum is wrong")


def _uncompressed_png(header: bytes, filtered: bytes) -> bytes:
    """Returns a PNG without compression, of rows that are filtered as they were."""
    view = memoryview(filtered)
    blocks = [b"\x78\x01"]
    for start in range(0, len(view), _STORED):
        block = view[start : start + _STORED]
        is_last = start + _STORED >= len(view)
        blocks += [struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF), block]
    blocks.append(struct.pack(">I", isal_zlib.adler32(filtered)))
    checksum = isal_zlib.crc32(b"IDAT")
    for block in blocks:
        checksum = isal_zlib.crc32(block, checksum)
    body = [struct.pack(">I", sum(map(len, blocks))), b"IDAT", *blocks]
    parts = [PNG_SIGNATURE, _chunk(b"IHDR", header), *body, struct.pack(">I", checksum)]
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunk(kind: bytes, content: bytes) -> bytes:
    framed = kind + content
    checksum = struct.pack(">I", zlib.crc32(framed))
    return struct.pack(">I", len(content)) + framed + checksum
