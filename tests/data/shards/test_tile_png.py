"""Tiles are PNG files that any reader reads, and ours reads back exactly."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.data.shards.tiles import encode_tile, inflate_tile, undo_up_filter
from keras_lraspp.images import DamagedFileError, EncodedImage

RNG = np.random.default_rng(0)
PIXELS = {
    "image": RNG.integers(0, 256, (5, 7, 3), np.uint8),
    "labels": RNG.integers(0, 19, (5, 7), np.uint8),
    "many labels": RNG.integers(0, 60_000, (5, 7)).astype(np.uint16),
}


def decoded(content: bytes, pixels: np.ndarray) -> np.ndarray:
    row_bytes = pixels[0].nbytes
    rows = inflate_tile(EncodedImage("tile", content), len(pixels), row_bytes).copy()
    undo_up_filter(rows)
    kind = pixels.dtype.newbyteorder(">")
    return np.ascontiguousarray(rows).view(kind).reshape(pixels.shape)


@pytest.mark.parametrize("pixels", PIXELS.values(), ids=PIXELS)
def test_it_comes_back(pixels):
    content = encode_tile(pixels)
    np.testing.assert_array_equal(decoded(content, pixels), pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))), pixels)


@pytest.mark.parametrize("place", [45, -20, -15])
def test_a_flipped_bit_shows(place):
    content = bytearray(encode_tile(PIXELS["image"]))
    content[place] ^= 4
    with pytest.raises(DamagedFileError, match="tile is damaged .*write the shards"):
        decoded(bytes(content), PIXELS["image"])


@pytest.mark.parametrize("length", [0, 10, 50, -1])
def test_a_cut_tile_shows(length):
    with pytest.raises(DamagedFileError, match="is damaged"):
        decoded(encode_tile(PIXELS["image"])[:length], PIXELS["image"])


def test_another_size_or_filter_shows():
    with pytest.raises(DamagedFileError, match="another size"):
        decoded(encode_tile(PIXELS["image"][:4]), PIXELS["image"])
    buffer = io.BytesIO()
    Image.fromarray(PIXELS["image"]).save(buffer, "PNG")  # it chooses its own filters
    with pytest.raises(DamagedFileError):
        decoded(buffer.getvalue(), PIXELS["image"])
