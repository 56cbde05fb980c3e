"""Windows of what was cut into tiles."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.data.shards.tiles import (
    TileSize,
    cut_tiles,
    encode_tile,
    join_png_tiles,
    join_tiles,
)
from keras_lraspp.data.window import Window, full_image
from keras_lraspp.images import EncodedImage

HEIGHT, WIDTH = 23, 37
SIZE = TileSize(8, 16)
RNG = np.random.default_rng(0)
IMAGE = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
LABELS = RNG.integers(0, 19, (HEIGHT, WIDTH), np.uint8)


class Counted:
    """Tiles that note which of them are asked for."""

    def __init__(self, tiles):
        self.tiles, self.asked = tiles, []

    def __len__(self):
        return len(self.tiles)

    def __getitem__(self, number):
        self.asked.append(number)
        return EncodedImage(f"tile {number}", self.tiles[number])


def windows():
    yield full_image(HEIGHT, WIDTH)
    for seed in range(30):
        rng = np.random.default_rng(seed)
        top, bottom = sorted(rng.choice(HEIGHT + 1, 2, replace=False).tolist())
        left, right = sorted(rng.choice(WIDTH + 1, 2, replace=False).tolist())
        yield Window(HEIGHT, WIDTH, top, bottom, left, right)


@pytest.mark.parametrize("pixels", [IMAGE, LABELS], ids=["image", "labels"])
def test_every_window_is_exact(pixels):
    tiles = cut_tiles(pixels, SIZE, encode_tile)
    assert len(tiles) == 3 * 3
    like = np.zeros(pixels.shape[2:], pixels.dtype)
    for window in windows():
        expected = pixels[window.top : window.bottom, window.left : window.right]
        found = join_png_tiles(Counted(tiles), window, SIZE, like)
        np.testing.assert_array_equal(found, expected)
        other = (
            join_tiles(Counted(tiles), window, SIZE, _decode)
            if pixels.ndim == 3
            else None
        )
        if other is not None:
            np.testing.assert_array_equal(other, expected)


def _decode(tile: EncodedImage) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(tile.content)))


def test_only_what_is_needed_is_decoded():
    tiles = Counted(cut_tiles(IMAGE, SIZE, encode_tile))
    join_png_tiles(
        tiles, Window(HEIGHT, WIDTH, 9, 15, 17, 33), SIZE, np.zeros(3, np.uint8)
    )
    assert tiles.asked == [4, 5]
    tiles.asked.clear()
    join_tiles(tiles, Window(HEIGHT, WIDTH, 0, 9, 16, 32), SIZE, _decode)
    assert tiles.asked == [1, 4]


def test_a_whole_image_is_one_tile():
    tiles = Counted([encode_tile(IMAGE)])
    window = Window(HEIGHT, WIDTH, 3, 20, 5, 30)
    np.testing.assert_array_equal(
        join_tiles(tiles, window, SIZE, _decode), IMAGE[3:20, 5:30]
    )
