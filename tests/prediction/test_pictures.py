"""However a picture is given, its pixels are those of the array."""

import io
import pathlib
import tempfile

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import random_images
from keras_lraspp.errors import InputError
from keras_lraspp.prediction.pictures import (
    holds_pictures,
    picture_path,
    read_picture,
)

IMAGE = random_images(10, 16)


def encoded(picture, kind="PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


CONTENT = encoded(Image.fromarray(IMAGE))


class BytesPath:
    """A path in bytes, as old programs have it."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return bytes(self.path)


def test_paths_bytes_files_and_pictures(tmp_path, monkeypatch):
    path = tmp_path / "street.png"
    path.write_bytes(CONTENT)
    monkeypatch.setenv("HOME", str(tmp_path))
    written = io.BytesIO()
    written.write(CONTENT)  # its position is the end
    with open(path, "rb") as buffered, open(path, "rb", buffering=0) as raw:
        with tempfile.SpooledTemporaryFile() as spooled:
            spooled.write(CONTENT)
            for picture in (
                path,
                str(path),
                "~/street.png",
                BytesPath(path),
                CONTENT,
                bytearray(CONTENT),
                memoryview(CONTENT),
                written,
                buffered,
                raw,
                spooled,
                Image.open(path),
                Image.fromarray(IMAGE),
                IMAGE,
            ):
                np.testing.assert_array_equal(read_picture(picture), IMAGE)
                assert not holds_pictures(picture)


def test_a_stream_without_an_end(monkeypatch):
    class Stream:
        def __init__(self, parts):
            self.parts = iter(parts)

        def read(self, size):
            return next(self.parts, b"")

    pieces = [CONTENT[:7], CONTENT[7:]]
    np.testing.assert_array_equal(read_picture(NoSeeking(pieces)), IMAGE)
    with pytest.raises(InputError, match="Stream cannot be read .*'seek'"):
        read_picture(Stream(pieces))
    monkeypatch.setattr("keras_lraspp.prediction.pictures._MOST_BYTES", 99)
    with pytest.raises(InputError, match="NoSeeking has more than 99 bytes"):
        read_picture(NoSeeking([CONTENT] * 9))


class NoSeeking:
    """What the body of an answer from a server is like."""

    def __init__(self, parts):
        self.parts = iter(parts)

    def seekable(self):
        return False

    def read(self, size):
        return next(self.parts, b"")


@pytest.mark.parametrize(
    "mode",
    ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "RGBa", "CMYK", "YCbCr", "HSV", "LAB"],
)
def test_every_mode_of_pillow(mode):
    grey = mode in ("1", "L", "LA")
    picture = Image.fromarray(IMAGE).convert("RGBA" if mode == "RGBa" else "RGB")
    picture = picture.convert("L").convert(mode) if grey else picture.convert(mode)
    expected = np.asarray(picture.convert("RGBA" if mode == "RGBa" else "RGB"))
    np.testing.assert_array_equal(read_picture(picture), expected[..., :3])
    assert picture.mode == mode


def test_a_transparent_palette_stays_as_it_was():
    picture = Image.fromarray(IMAGE).quantize(8)
    picture.info["transparency"] = b"\0\x80"
    expected = np.asarray(picture.convert("RGBA"))[..., :3]
    np.testing.assert_array_equal(read_picture(picture), expected)
    assert picture.info["transparency"] == b"\0\x80"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_each_orientation(orientation):
    content = encoded_with(orientation)
    upright = read_picture(content)
    np.testing.assert_array_equal(
        read_picture(Image.open(io.BytesIO(content))), upright
    )
    assert upright.shape == ((16, 10, 3) if orientation >= 5 else (10, 16, 3))


def encoded_with(orientation):
    picture = Image.fromarray(IMAGE)
    picture.getexif()[0x0112] = orientation
    return encoded(picture, exif=picture.getexif())


def test_modes_that_are_refused():
    for mode in "IF":
        with pytest.raises(InputError, match="The PIL image has 32 bits"):
            read_picture(Image.new(mode, (4, 4)))
    cut = Image.open(io.BytesIO(CONTENT[:-60]))
    with pytest.raises(InputError, match="PIL image is damaged"):
        read_picture(cut)


def test_other_numbers_of_channels():
    grey, rgba = Image.fromarray(IMAGE[..., 0]), Image.fromarray(IMAGE).convert("RGBA")
    for picture in (grey, encoded(grey), IMAGE[..., 0], IMAGE[..., :1]):
        np.testing.assert_array_equal(read_picture(picture, 1), IMAGE[..., :1])
    for picture in (rgba, encoded(rgba), np.asarray(rgba)):
        np.testing.assert_array_equal(read_picture(picture, 4), np.asarray(rgba))
    for picture in (grey, encoded(grey), IMAGE):
        with pytest.raises(InputError, match="not 4|, 4.* not"):
            read_picture(picture, 4)


@pytest.mark.backends
def test_tensors_of_the_backend():
    import keras

    tensor = keras.ops.convert_to_tensor(IMAGE)
    np.testing.assert_array_equal(read_picture(tensor), IMAGE)
    assert picture_path(tensor) is None and not holds_pictures(tensor)
    batch = keras.ops.stack([tensor, tensor])
    np.testing.assert_array_equal(read_picture(batch), np.stack([IMAGE, IMAGE]))
    with pytest.raises(InputError, match="is uint8, 0 to 255, not float32"):
        read_picture(keras.ops.cast(tensor, "float32"))
    with pytest.raises(InputError, match="put the channels last"):
        read_picture(keras.ops.transpose(tensor, (2, 0, 1)))
    with pytest.raises(InputError, match="KerasTensor has no pixels yet"):
        read_picture(keras.Input((4, 4, 3), dtype="uint8"))


@pytest.mark.parametrize(
    "picture, said",
    [
        (None, "not NoneType"),
        (7, "not int"),
        ({"image": IMAGE}, "not dict"),
        (IMAGE[..., 0], "np.stack"),
        (IMAGE / 255, "round"),
        (IMAGE.astype(np.int64), "astype"),
        (np.array(["street.jpg"]), "uint8"),
        (np.uint8(3), "not \\(\\)"),
        ("https://example.org/street.jpg", "is an address, .* download it first"),
        (pathlib.Path("https://example.org/street.jpg"), "is an address"),
        ("data:image/png;base64,iVBORw0K", "is an address"),
        ("data:image/png;base64," + 9999 * "A", "^data:.{195} is an address"),
        (9999 * "iVBORw0K", "text of 79992 characters is no path.*b64decode"),
        (999 * "long", "File name too long"),
        ("s3://bucket/street.jpg", "is an address"),
        ("c:/nowhere.jpg", "No such file"),
        ("nowhere.jpg", "nowhere.jpg: No such file"),
        ("", "The empty path is a folder"),
        ("no\0where.jpg", "is no path"),
        (b"", "picture of 0 bytes .* zero bytes"),
        (b"street.jpg", "picture of 10 bytes is not an image"),
        (CONTENT[:-60], "picture of .* is damaged"),
        (io.StringIO("text"), "is open as text"),
    ],
)
def test_what_is_no_picture(picture, said):
    with pytest.raises(InputError, match=said):
        read_picture(picture)


def test_folders_and_closed_files(tmp_path):
    with pytest.raises(InputError, match="is a folder, not an image; give its files"):
        read_picture(tmp_path)
    closed = open(tmp_path / "a.png", "wb")
    with pytest.raises(InputError, match="a.png cannot be read"):
        read_picture(closed)  # it is open for writing
    closed.close()
    with pytest.raises(InputError, match="a.png cannot be read"):
        read_picture(closed)


def test_what_holds_pictures():
    for several in (
        [],
        (),
        iter([]),
        (one for one in ()),
        {1: 2}.values(),
        map(int, ""),
    ):
        assert holds_pictures(several)
    for one in ("a", b"a", {}, None, 3, IMAGE, Image.fromarray(IMAGE), io.BytesIO()):
        assert not holds_pictures(one)


def test_paths_of_pictures(tmp_path):
    path = tmp_path / "street.png"
    path.write_bytes(CONTENT)
    with open(path, "rb") as file, Image.open(path) as picture:
        for given in (path, str(path), BytesPath(path), file, picture):
            assert picture_path(given) == str(path)
    for given in (CONTENT, IMAGE, io.BytesIO(CONTENT), Image.fromarray(IMAGE)):
        assert picture_path(given) is None
    with tempfile.TemporaryFile() as unnamed:
        assert picture_path(unnamed) is None
