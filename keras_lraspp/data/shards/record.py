"""One sample as a record: a `tf.train.Example`, which TFDS reads as well."""

import io
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lraspp.data.loading import load_image
from keras_lraspp.data.shards.tile_png import encode_tile
from keras_lraspp.data.shards.tiles import TileSize, cut, join, join_png
from keras_lraspp.data.windows import Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError, EncodedImage

_JPEG = b"\xff\xd8"


class Encoding(NamedTuple):
    """How the images of a data set are kept.

    Attributes:
        exact: Whether the pixels stay what they are.
        encode: Writes a tile, uint8 (height, width, 3).
    """

    exact: bool
    encode: Callable[[np.ndarray], bytes]


def _jpeg(pixels: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    # Full colour resolution: else colours would bleed over the edges of tiles.
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0)
    return buffer.getvalue()


ENCODINGS = {"png": Encoding(True, encode_tile), "jpeg": Encoding(False, _jpeg)}


def pack(
    image: np.ndarray | bytes,
    label: np.ndarray,
    *,
    name: str,
    encoding: str,
    label_type: str,
    tile: TileSize,
) -> bytes:
    """Writes a sample.

    Args:
        image: uint8 (height, width, 3), or a JPEG file to be kept as it is.
        label: Classes (height, width).
        name: What the sample is called in messages.
        encoding: A name in `ENCODINGS`.
        label_type: `"uint8"` or `"uint16"`.
        tile: Size of the tiles.

    Returns:
        The serialized example.
    """
    example = tf.train.Example()
    fields = example.features.feature
    if isinstance(image, bytes):
        images = [image]
    else:
        images = cut(np.asarray(image), tile, ENCODINGS[encoding].encode)
    fields["image"].bytes_list.value.extend(images)
    labels = cut(label.astype(label_type, copy=False), tile, encode_tile)
    fields["label"].bytes_list.value.extend(labels)
    fields["height"].int64_list.value.append(label.shape[0])
    fields["width"].int64_list.value.append(label.shape[1])
    fields["name"].bytes_list.value.append(name.encode())
    return example.SerializeToString()


def unpack(
    content: bytes, window: Window, *, where: str, label_type: str, tile: TileSize
) -> tuple[np.ndarray, np.ndarray, str]:
    """Reads a part of a sample.

    Args:
        content: The serialized example.
        window: The part; its height and width are the sample's.
        where: Where it is, for messages.
        label_type: As written.
        tile: As written.

    Returns:
        Image uint8 (rows, columns, 3), label (rows, columns), and the sample's name.

    Raises:
        DamagedFileError: If it is damaged.
    """
    try:
        fields = tf.train.Example.FromString(content).features.feature
        size = fields["height"].int64_list.value[0], fields["width"].int64_list.value[0]
        (name,) = fields["name"].bytes_list.value
        name = f"{where} ({name.decode()})"
        images, labels = (
            _Tiles(name, key, fields[key].bytes_list.value)
            for key in ("image", "label")
        )
        if size != (window.height, window.width):
            raise InputError(f"its size is {size}")
        like = np.zeros((), label_type)
        label = join_png(labels, window, tile, like)
        if bytes(images.content[0][:2]) == _JPEG:
            return join(images, window, tile, load_image), label, name
        return join_png(images, window, tile, np.zeros(3, np.uint8)), label, name
    except DamagedFileError:
        raise
    except Exception as error:  # which one depends on the damage
        raise DamagedFileError(
            f"{where} is damaged ({error}); write the shards again."
        ) from error


class _Tiles:
    """Tiles of a record; those that are not needed are not copied."""

    def __init__(self, name: str, key: str, content):
        self.name, self.key, self.content = name, key, content

    def __len__(self) -> int:
        return len(self.content)

    def __getitem__(self, number: int) -> EncodedImage:
        return EncodedImage(
            f"{self.name} {self.key} tile {number}", self.content[number]
        )
