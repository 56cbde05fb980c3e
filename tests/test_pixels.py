"""Images of 16 bits per channel: the value of white, in every kind of file."""

import struct
import warnings
from zlib import crc32

import numpy as np
import pytest

from harness.image_files import dataset_of, exif_with, png_bytes, save, write
from harness.multiband import multiband_tiff
from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image

SIZE = (21, 18)  # more than a tile of a TIFF
VALUES = np.random.default_rng(0).integers(0, 4400, (*SIZE, 3)).astype(np.uint16)
WANTED = np.minimum(VALUES.astype(int) * 255 // 4095, 255)
ALPHA = np.random.default_rng(1).integers(0, 65536, SIZE).astype(np.uint16)


def png(values: np.ndarray, color_type: int, up: bool = False) -> bytes:
    height, width = values.shape[:2]
    rows = values.astype(">u2").view(np.uint8).reshape(height, -1)
    if up:  # each row as its difference from the one above
        rows = np.diff(rows, axis=0, prepend=rows[:1] * 0)
    filtered = b"".join(bytes([2 * up]) + row.tobytes() for row in rows)
    return png_bytes(width, height, 16, color_type, filtered)


def ppm(values: np.ndarray, largest: int = 65535) -> bytes:
    height, width, channels = values.shape
    kind = {1: "P5", 3: "P6"}[channels]
    start = f"{kind} {width} {height} {largest}\n".encode()
    return start + values.astype(">u2").tobytes()


COLORS = {
    "a.png": png(VALUES, 2),
    "filtered.png": png(VALUES, 2, up=True),
    "alpha.png": png(np.dstack([VALUES, ALPHA]), 6),
    "a.ppm": ppm(VALUES),
    **{
        f"{name}.tif": multiband_tiff(VALUES, t262=[2], **settings)
        for name, settings in {
            "stored": {},
            "planar": {"planar": True},
            "planar_tiled": {"planar": True, "tiled": True},
            "tiled": {"tiled": True},
            "deflated": {"compression": 8, "predictor": 2},
            "lzw": {"compression": 5},
        }.items()
    },
}


@pytest.mark.filterwarnings("ignore:.*has an alpha channel")
@pytest.mark.parametrize("name", COLORS)
def test_white_of_16_bits_in_colour(name, tmp_path):
    path = write(tmp_path / name, COLORS[name])
    np.testing.assert_array_equal(read_image(path, white=4095), WANTED)
    np.testing.assert_array_equal(read_image(path), VALUES // 256)
    label = save(tmp_path / "label.png", np.zeros(SIZE, np.uint8))
    sample = dataset_of([path], [label], white=4095).load(0)
    np.testing.assert_array_equal(sample[0], WANTED)


def test_alpha_is_no_light(tmp_path):
    path = write(tmp_path / "a.png", COLORS["alpha.png"])
    pixels = read_image(path, white=4095, channels=4)
    np.testing.assert_array_equal(pixels, np.dstack([WANTED, ALPHA // 256]))


@pytest.mark.filterwarnings("ignore:.*has an alpha channel")
def test_white_of_grey_with_alpha(tmp_path):
    grey = np.dstack([VALUES[..., 0], ALPHA])
    path = write(tmp_path / "a.png", png(grey, 4))
    for channel in range(3):
        pixels = read_image(path, white=4095)[..., channel]
        np.testing.assert_array_equal(pixels, WANTED[..., 0])


def test_colours_of_16_bits_are_turned_upright(tmp_path):
    start, chunks = COLORS["a.png"][:33], COLORS["a.png"][33:]
    exif = exif_with(3).removeprefix(b"Exif\0\0")
    chunk = b"eXIf" + exif
    chunk = struct.pack(">I", len(exif)) + chunk + struct.pack(">I", crc32(chunk))
    path = write(tmp_path / "a.png", start + chunk + chunks)
    np.testing.assert_array_equal(read_image(path, white=4095), WANTED[::-1, ::-1])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_ppm_names_its_own_white(channels, tmp_path):
    values = np.minimum(VALUES[..., :channels], 4095)
    path = write(tmp_path / "a.ppm", ppm(values, 4095))
    pixels = read_image(path)
    exact = values.astype(int) * 255 / 4095
    assert np.abs(pixels[..., :channels] - exact).max() < 1
    np.testing.assert_array_equal(read_image(path, white=4095), pixels)


@pytest.mark.parametrize("name", ["a.png", "a.ppm", "stored.tif"])
def test_colours_that_are_nearly_black_are_warned_of(name, tmp_path, monkeypatch):
    monkeypatch.setattr("keras_lraspp.pixels._DARK_WARNED", [])
    content = {
        "a.png": png(VALUES % 1024, 2),
        "a.ppm": ppm(VALUES % 1024),
        "stored.tif": multiband_tiff(VALUES % 1024, t262=[2]),
    }
    path = write(tmp_path / name, content[name])
    with pytest.warns(UserWarning, match="of which at most 10 are used, so it is near"):
        read_image(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_image(path, white=1023)


def test_where_white_cannot_be_set(tmp_path):
    ink = np.dstack([VALUES, VALUES[..., :1]])
    path = write(tmp_path / "ink.tif", multiband_tiff(ink, t262=[5]))
    with pytest.raises(InputError, match="of CMYK .*white cannot be set; convert it"):
        read_image(path, white=4095)
    digits = " ".join(map(str, VALUES.ravel()))
    text = f"P3 {SIZE[1]} {SIZE[0]} 65535\n{digits}\n"
    path = write(tmp_path / "plain.ppm", text.encode())
    with pytest.raises(InputError, match="16 bits of colour in digits, of which white"):
        read_image(path, white=4095)
