"""Images of any number of channels: grey, RGBA, TIFFs of bands and NumPy files."""

import itertools
import time

import numpy as np
import pytest
from PIL import Image, ImageOps

from harness import warned
from harness.image_files import encoded, noise, save, write
from harness.multiband import multiband_tiff, save_bands
from harness.mutations import mutate
from keras_lraspp import pixels as pixels_of_images
from keras_lraspp.errors import InputError
from keras_lraspp.images import (
    DamagedFileError,
    EncodedImage,
    image_orientation,
    image_size,
    read_image,
)


def bands(count, height=21, width=37, dtype=np.uint8):
    rng = np.random.default_rng(count)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, count), dtype)


def npy(pixels) -> bytes:
    header = {"descr": pixels.dtype.str, "fortran_order": False, "shape": pixels.shape}
    return _npy_of(header, pixels.tobytes())


def _npy_of(header, content: bytes) -> bytes:
    text = f"{header!r}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + content


@pytest.mark.parametrize("count", [2, 4, 6])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("planar", "tiled"), [*itertools.product([False, True], repeat=2)]
)
def test_a_tiff_of_bands_is_read_as_stored(tmp_path, count, dtype, planar, tiled):
    stored = bands(count, dtype=dtype)
    expected = stored if dtype == np.uint8 else (stored // 256).astype(np.uint8)
    for compression, predictor in ((1, 1), (5, 1), (8, 1), (5, 2), (8, 2)):
        content = multiband_tiff(
            stored,
            planar=planar,
            tiled=tiled,
            compression=compression,
            predictor=predictor,
        )
        path = write(tmp_path / "bands.tif", content)
        got = read_image(path, channels=count)
        assert got.dtype == np.uint8 and got.flags.c_contiguous
        np.testing.assert_array_equal(got, expected)
        assert image_size(path, count) == (21, 37)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_tiff_of_bands_turns_each_band(tmp_path, orientation):
    stored = bands(5)
    path = write(tmp_path / "a.tif", multiband_tiff(stored, orientation=orientation))
    assert image_orientation(path, 5) == orientation
    as_stored = read_image(path, channels=5, apply_exif=False)
    np.testing.assert_array_equal(as_stored, stored)
    turned = read_image(path, channels=5)
    assert image_size(path, 5, upright=True) == turned.shape[:2]
    for band in range(5):
        grey = Image.fromarray(stored[..., band])
        grey.getexif()[0x0112] = orientation
        np.testing.assert_array_equal(turned[..., band], ImageOps.exif_transpose(grey))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 64])
@pytest.mark.parametrize("kind", ["u1", "<u2", ">u2"])
def test_a_numpy_file_has_any_number_of_channels(tmp_path, count, kind):
    expected = bands(count, 3, 4)
    stored = expected if kind == "u1" else (expected.astype(kind) * 256 + 7)
    for order in "CF":
        np.save(tmp_path / "a.npy", np.array(stored, kind, order=order))
        got = read_image(tmp_path / "a.npy", channels=count)
        np.testing.assert_array_equal(got, expected)
    assert image_size(tmp_path / "a.npy", count) == (3, 4)
    inside = EncodedImage("record", npy(stored))
    if count != 3:  # where only the name would tell
        np.testing.assert_array_equal(read_image(inside, channels=count), expected)


def test_a_numpy_file_of_two_dimensions_is_grey(tmp_path):
    np.save(tmp_path / "a.npy", bands(1)[..., 0])
    np.testing.assert_array_equal(read_image(tmp_path / "a.npy", channels=1), bands(1))


@pytest.mark.parametrize("name", ["a.tif", "a.npy"])
def test_12_bits_of_several_bands_have_their_white(tmp_path, monkeypatch, name):
    monkeypatch.setattr(pixels_of_images, "_DARK_WARNED", [])
    path = save_bands(tmp_path / name, np.full((2, 2, 6), 2048, np.uint16))
    with pytest.warns(UserWarning, match="at most 12 are used.*white=4095"):
        assert read_image(path, channels=6).max() == 8
    assert read_image(path, channels=6, white=4095).min() == 2048 * 255 // 4095


def test_four_channels_are_those_of_rgba_and_cmyk(tmp_path):
    stored = bands(4)
    rgba = save(tmp_path / "a.png", stored)
    np.testing.assert_array_equal(read_image(rgba, channels=4), stored)
    ink = Image.frombytes("CMYK", (37, 21), stored.tobytes())
    path = write(tmp_path / "a.tif", encoded(ink, "TIFF"))
    np.testing.assert_array_equal(read_image(path, channels=4), stored)


def test_two_channels_are_grey_and_alpha(tmp_path):
    image = Image.merge("LA", [Image.fromarray(bands(2)[..., k]) for k in (0, 1)])
    image.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", channels=2), bands(2))


def test_a_palette_with_alpha_is_rgba(tmp_path):
    image = Image.fromarray(bands(1)[..., 0] % 4).convert("P")
    image.save(tmp_path / "a.png", transparency=bytes([0, 90, 180, 255]))
    expected = np.asarray(Image.open(tmp_path / "a.png").convert("RGBA"))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png", channels=4), expected)
    assert len(np.unique(expected[..., 3])) > 1


def test_one_channel_is_grey_as_stored_or_pillows_of_colours(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels_of_images, "_COLOR_WARNED", [])
    grey = bands(1)
    path = save_bands(tmp_path / "grey.png", grey)
    np.testing.assert_array_equal(read_image(path, channels=1), grey)
    path = save(tmp_path / "deep.png", grey[..., 0].astype(np.uint16) * 256)
    np.testing.assert_array_equal(read_image(path, channels=1), grey)
    path = save(tmp_path / "color.png", noise(21, 37))
    with pytest.warns(UserWarning, match="is in colour") as caught:
        got = read_image(path, channels=1)
        read_image(path, channels=1)
    assert len(warned.texts(caught)) == 1
    np.testing.assert_array_equal(got[..., 0], Image.open(path).convert("L"))


def pickled() -> bytes:
    header = {"descr": "|O", "fortran_order": False, "shape": (1, 1)}
    return _npy_of(header, b"cos\nsystem\n")


def claiming() -> bytes:
    header = {"descr": "|u1", "fortran_order": False, "shape": (2**40, 9, 6)}
    return _npy_of(header, b"")


def of_two_pages(tiff: bytes) -> bytes:
    """A TIFF with its only directory once more behind it."""
    table = int.from_bytes(tiff[4:8], "little")
    end = table + 2 + 12 * int.from_bytes(tiff[table : table + 2], "little")
    further = len(tiff).to_bytes(4, "little")
    return tiff[:end] + further + tiff[end + 4 :] + tiff[table:]


SIX = bands(6)
FAULTS = {
    "another number": ("a.tif", multiband_tiff(bands(5)), "has 5 channels, not 6"),
    "of an array": ("a.npy", npy(bands(5)), "has 5 channels, not 6; set channels = 5"),
    "colours": ("a.png", encoded(noise(3, 3), "PNG"), r"3 channels \(RGB\), not 6"),
    "grey TIFF": ("a.tif", encoded(SIX[..., 0], "TIFF"), r"1 channel \(L\), not 6"),
    "floats": ("a.tif", multiband_tiff(SIX, t339=[3] * 6), "has float bands of 8 bits"),
    "kinds": ("a.tif", multiband_tiff(SIX, t258=[8, 16] * 3), "bands of several kinds"),
    "JPEG": ("a.tif", multiband_tiff(SIX, t259=[7]), "compression 7; save it with Def"),
    "pages": ("a.tif", of_two_pages(multiband_tiff(SIX)), "has several pictures"),
    "float array": ("a.npy", npy(SIX.astype("f4")), "holds float32; save uint8"),
    "shape": ("a.npy", npy(SIX[None]), r"has the shape \(1, 21, 37, 6\)"),
    "pickle": ("a.npy", pickled(), "holds object"),
    "version": ("a.npy", b"\x93NUMPY\x07\x00" + npy(SIX)[8:], "format"),
}
DAMAGE = {
    "cut array": ("a.npy", npy(SIX)[:-1], "it claims 4662 bytes"),
    "cut header": ("a.npy", npy(SIX)[:20], "is damaged"),
    "claims": ("a.npy", claiming(), "it claims"),
    "cut TIFF": ("a.tif", multiband_tiff(SIX)[:-200], "ends within its directory"),
    "no size": ("a.tif", multiband_tiff(SIX, t256=[0]), "is damaged"),
    "strips": ("a.tif", multiband_tiff(SIX, t257=[900]), "of 180 strips"),
    "tiles": (
        "a.tif",
        multiband_tiff(SIX, tiled=True, compression=8, t323=[2**30]),
        "tiles of 1073741824x16 pixels",
    ),
    "short": ("a.tif", multiband_tiff(SIX, compression=8, t279=[3] * 5), "is damaged"),
}


@pytest.mark.filterwarnings("ignore:Truncated File Read")  # Pillow's
@pytest.mark.parametrize("fault", FAULTS)
def test_what_cannot_be_read_is_refused_with_the_mend(tmp_path, fault):
    name, content, message = FAULTS[fault]
    path = write(tmp_path / name, content)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path, channels=6)
    assert str(caught.value).startswith(str(path))


@pytest.mark.filterwarnings("ignore:Truncated File Read")
@pytest.mark.parametrize("fault", DAMAGE)
def test_damage_is_called_damage(tmp_path, fault):
    name, content, message = DAMAGE[fault]
    path = write(tmp_path / name, content)
    with pytest.raises(DamagedFileError, match=message):
        read_image(path, channels=6)


def test_what_is_no_rgb_says_how_to_read_it(tmp_path):
    path = write(tmp_path / "a.tif", multiband_tiff(SIX))
    for channels in (1, 3):
        with pytest.raises(InputError, match="TIFF of 6 bands; set channels = 6"):
            read_image(path, channels=channels)
    path = write(tmp_path / "a.bin", npy(SIX))
    with pytest.raises(InputError, match="NumPy file; let its name end in .npy"):
        read_image(path)


@pytest.mark.filterwarnings("ignore")  # Pillow's, on odd metadata
@pytest.mark.parametrize(
    "bases",
    [
        [npy(SIX), npy(SIX.astype(np.uint16))],
        [multiband_tiff(SIX, compression=8), multiband_tiff(SIX, planar=True)],
    ],
    ids=["npy", "tiff"],
)
def test_mutated_files_bring_only_typed_errors(bases):
    rng, slowest, refused = np.random.default_rng(0), 0, 0
    for index in range(400):
        donor = bases[rng.integers(len(bases))]
        file = EncodedImage("mutated", mutate(bases[index % 2], donor, rng))
        start = time.process_time()
        try:
            assert read_image(file, channels=6).shape[2] == 6
        except InputError:
            refused += 1
        slowest = max(slowest, time.process_time() - start)
    assert 100 < refused < 390 and slowest < 5
