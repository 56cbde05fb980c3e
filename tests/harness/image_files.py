"""Small image files, whole and faulty, and data sets made of them."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import generic_class_set
from keras_lraspp.data.dataset import Dataset


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Random uint8 (height, width, 3)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (height, width, 3), np.uint8)


def classes(height: int, width: int, num_classes: int = 5, seed: int = 0):
    """Random classes, uint8 (height, width)."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, num_classes, (height, width), np.uint8)


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options) -> Path:
    """Writes an array as the file's name says, by way of Pillow; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **options)
    return path


def palette_image(indices: np.ndarray) -> Image.Image:
    """A palette image whose indices and colours have nothing in common."""
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(noise(1, 256, seed=9).ravel().tolist())
    return image


def dataset_of(images, labels=(), *, num_classes: int = 5, **changes) -> Dataset:
    """A data set of these files, without looking at them."""
    values = {
        "name": "tiny",
        "root": Path(images[0]).parent if images else Path(),
        "split": "train",
        "images": tuple(images),
        "labels": tuple(labels),
        "classes": generic_class_set(num_classes),
    }
    return Dataset(**{**values, **changes})


def write_pairs(root: Path, count: int, *, size=(6, 8), **changes) -> Dataset:
    """Noise images with random labels: `image_000.png`, `label_000.png`, ..."""
    images, labels = [], []
    for index in range(count):
        images.append(save(root / f"image_{index:03}.png", noise(*size, seed=index)))
        labels.append(save(root / f"label_{index:03}.png", classes(*size, seed=index)))
    return dataset_of(images, labels, **changes)


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk of a PNG file, with its length and CRC."""
    crc = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", crc)


def png_bytes(width, height, depth, color_type, rows: bytes) -> bytes:
    """A PNG file by hand: rows as stored, each with its filter byte in front.

    Pillow writes neither grey of 2 and 4 bits nor 16 bits per channel of RGB, nor a
    header that claims more pixels than there are.
    """
    header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            png_chunk(b"IHDR", header),
            png_chunk(b"IDAT", zlib.compress(rows)),
            png_chunk(b"IEND", b""),
        )
    )


def encoded(pixels: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    """An image file's bytes."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def claiming_jpeg(height: int, width: int) -> bytes:
    """A JPEG of 16x16 pixels whose header claims more; libjpeg makes the rest grey."""
    content = bytearray(encoded(noise(16, 16), "JPEG"))
    size = content.index(b"\xff\xc0") + 5
    content[size : size + 4] = struct.pack(">HH", height, width)
    return bytes(content)


def exif_with(orientation: int, *rows: bytes) -> bytes:
    """An EXIF block with an orientation and further raw 12-byte rows of its table."""
    table = struct.pack(">HHIHH", 0x0112, 3, 1, orientation, 0) + b"".join(rows)
    count = struct.pack(">H", 1 + len(rows))
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + count + table + bytes(4)


def _animation(kind: str, **options) -> bytes:
    buffer = io.BytesIO()
    first, second = (Image.fromarray(noise(6, 8, seed)) for seed in (0, 1))
    first.save(buffer, kind, save_all=True, append_images=[second], **options)
    return buffer.getvalue()


class Faulty(NamedTuple):
    """A file that must be refused, as an image and as a label."""

    row: int  # of the table of faults in the RELIABILITY.md
    name: str
    content: Callable[[], bytes]
    says: str  # a pattern: what is wrong, and what to do
    damaged: bool  # so that `corrupt="skip"` leaves it out


FAULTY = (
    Faulty(
        16,
        "cut.jpg",
        lambda: encoded(noise(40, 40), "JPEG")[:-500],
        "is damaged .*; replace it",
        True,
    ),
    Faulty(
        16,
        "cut.png",
        lambda: encoded(noise(40, 40), "PNG")[:-500],
        "is damaged .*; replace it",
        True,
    ),
    Faulty(
        16,
        "cut_in_the_header.jpg",
        lambda: encoded(noise(40, 40), "JPEG")[:100],
        "is damaged .*; replace it",
        True,
    ),
    Faulty(
        16,
        "cut_in_the_palette.png",
        lambda: encoded(palette_image(classes(6, 8)), "PNG")[:100],
        "is damaged .*; replace it",
        True,
    ),
    Faulty(
        17, "empty.png", bytes, "not an image .*zero bytes.*replace it with a PNG", True
    ),
    Faulty(
        17,
        "page.jpg",
        lambda: b"<!DOCTYPE html><html><body>404</body></html>",
        "not an image .*DOCTYPE html.*replace it with a PNG or JPEG",
        True,
    ),
    Faulty(
        18,
        "bomb.png",
        lambda: png_bytes(60_000, 60_000, 8, 2, bytes(1000)),
        "claims too many pixels, more than the limit of 67108864; cut it",
        False,
    ),
    Faulty(
        18,
        "small_bomb.png",
        lambda: png_bytes(9000, 9000, 8, 0, bytes(1000)),
        "claims 9000x9000 pixels, more than the limit of 67108864; cut it",
        False,
    ),
    Faulty(
        18,
        "claim.jpg",
        lambda: claiming_jpeg(8000, 8000),
        "is damaged .*it claims 8000x8000 pixels in [0-9]{3} bytes.*; replace it",
        True,
    ),
    Faulty(
        19,
        "moving.gif",
        lambda: _animation("GIF"),
        "animated; give a file with a single picture",
        False,
    ),
    Faulty(
        19,
        "moving.webp",
        lambda: _animation("WEBP", lossless=True),
        "animated; give a file with a single picture",
        False,
    ),
    Faulty(
        19,
        "moving.png",
        lambda: _animation("PNG"),
        "animated; give a file with a single picture",
        False,
    ),
)


def write(path: Path, content: bytes) -> Path:
    """Writes bytes; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
