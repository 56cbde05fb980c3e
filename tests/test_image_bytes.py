"""Files that end well but lack pixels: JPEGs that are cut, PNGs without their rows."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from harness.bombs import jpeg_segment
from harness.image_files import (
    classes,
    dataset_of,
    encoded,
    noise,
    png_bytes,
    png_chunk,
    save,
    write,
)
from keras_lraspp.data.decode import load_image, load_sample
from keras_lraspp.data.label_spec import read_label
from keras_lraspp.image_bytes import check_jpeg, packed_rows, webp_size
from keras_lraspp.images import DamagedFileError, EncodedImage, read_image

END = b"\xff\xd9"
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2)]
ADAM7 += [(0, 1, 2, 2), (1, 0, 2, 1)]  # first row and column, steps down and right

JPEGS = {
    "4:2:0": ("RGB", {}),
    "4:4:4": ("RGB", {"subsampling": 0, "quality": 95}),
    "coarse": ("RGB", {"quality": 5}),
    "optimised": ("RGB", {"optimize": True}),
    "grey": ("L", {}),
    "CMYK": ("CMYK", {}),
    "progressive": ("RGB", {"progressive": True}),
    "progressive grey": ("L", {"progressive": True}),
    "restarts by row": ("RGB", {"restart_marker_rows": 1}),
    "restarts": ("RGB", {"restart_marker_blocks": 3}),
    "progressive with restarts": (
        "RGB",
        {"progressive": True, "restart_marker_blocks": 5},
    ),
}


def photo(height: int, width: int) -> Image.Image:
    small = Image.fromarray(noise(height // 8, width // 8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def jpeg(case: str, height: int, width: int) -> bytes:
    mode, options = JPEGS[case]
    return encoded(photo(height, width).convert(mode), "JPEG", **options)


def cut(content: bytes, count: int) -> bytes:
    """A JPEG without the last bytes of its pixels, but with the mark of its end."""
    return content[: -2 - count].rstrip(b"\xff") + END


@pytest.mark.parametrize("case", JPEGS)
def test_row_16_a_jpeg_that_is_cut_but_ends_well_is_damaged(case):
    content = jpeg(case, 45, 61)
    whole = read_image(EncodedImage("whole.jpg", content))
    pixels = len(content) - content.index(b"\xff\xda")
    found = 0
    for count in [*range(1, 30), *range(30, pixels, 37)]:
        for read in (read_image, load_image):
            try:
                same = read(EncodedImage("cut.jpg", cut(content, count)))
            except DamagedFileError:
                found += 1
            else:  # nothing but filling bits was lost
                np.testing.assert_array_equal(same, whole)
                assert count < 3
    assert found > pixels / 37


@pytest.mark.parametrize("read", [read_image, load_image])
@pytest.mark.parametrize("case", JPEGS)
def test_row_16_a_larger_jpeg_is_damaged_if_it_lacks_more_than_a_block(case, read):
    content = jpeg(case, 300, 500)
    assert read(EncodedImage("whole.jpg", content)).shape == (300, 500, 3)
    for share in (0.02, 0.1, 0.5, 0.9):
        count = int(share * (len(content) - content.index(b"\xff\xda")))
        with pytest.raises(DamagedFileError, match=r"cut.jpg is damaged .*missing"):
            read(EncodedImage("cut.jpg", cut(content, count)))


def test_row_16_a_cut_jpeg_does_not_train(tmp_path):
    image = write(tmp_path / "image.jpg", cut(jpeg("4:2:0", 300, 500), 3000))
    label = save(tmp_path / "label.png", classes(300, 500))
    with pytest.raises(DamagedFileError, match="its last pixels are missing"):
        load_sample(image, label, dataset_of([image], [label]))


@pytest.mark.parametrize("case", JPEGS)
@pytest.mark.parametrize("grey", [127, 128, 129])
def test_a_grey_end_is_no_cut(case, grey):
    """What libjpeg puts where pixels are missing may be there."""
    mode, options = JPEGS[case]
    pixels = np.asarray(photo(300, 500)).copy()
    pixels[100:] = grey
    content = encoded(Image.fromarray(pixels).convert(mode), "JPEG", **options)
    with Image.open(io.BytesIO(content)) as image:
        wanted = np.asarray(image.convert("RGB"))
    for read in (read_image, load_image):
        np.testing.assert_array_equal(read(EncodedImage("grey.jpg", content)), wanted)


def test_row_16_a_jpeg_without_its_last_scans_is_damaged():
    content = jpeg("progressive", 45, 61)
    last = content.rindex(b"\xff\xda")
    with pytest.raises(DamagedFileError, match="its last scans are missing"):
        read_image(EncodedImage("scans.jpg", content[:last] + END))


@pytest.mark.parametrize("mode", ["RGB", "L", "YCbCr", "CMYK", "RGBA"])
def test_row_16_a_jpeg_in_a_tiff_is_looked_at_too(mode):
    """In strips that share their tables."""
    options = {"compression": "jpeg", "tiffinfo": {278: 64}}
    content = encoded(photo(230, 300).convert(mode), "TIFF", **options)
    with Image.open(io.BytesIO(content)) as image:
        (*_, start), (*_, count) = image.tag_v2[273], image.tag_v2[279]
        wanted = np.asarray(image.convert("RGB"))
    if mode != "RGBA":
        read = read_image(EncodedImage("whole.tiff", content))
        np.testing.assert_array_equal(read, wanted)
    strip = content[start : start + count]
    shorter = cut(strip, count // 2).ljust(count, b"\0")
    damaged = content[:start] + shorter + content[start + count :]
    with pytest.raises(DamagedFileError, match="pixels are missing"):
        read_image(EncodedImage("cut.tiff", damaged))


def test_other_bytes_of_a_jpeg_are_passed_over():
    """Thumbnails in a segment, filling, and what phones put behind the end."""
    content = jpeg("4:2:0", 45, 61)
    whole = read_image(EncodedImage("whole.jpg", content))
    scan = content.index(b"\xff\xda")
    parts = [content[:2], jpeg_segment(0xE5, content), content[2:scan], b"\xff\xff"]
    parts += [jpeg_segment(0xFE, content * 9), content[scan:-2], b"\xff\xff", END]
    longer = b"".join([*parts, content, bytes(99)])
    for read in (read_image, load_image):
        np.testing.assert_array_equal(read(EncodedImage("longer.jpg", longer)), whole)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\0\x0b\x08\0"])
def test_what_is_no_jpeg_or_png_is_a_value_error(content):
    with pytest.raises(ValueError, match="it ends|header"):
        packed_rows(content)
    with pytest.raises(ValueError, match="it ends|header"):
        webp_size(content)
    if len(content) > 2:
        with pytest.raises(ValueError, match="it ends within its header"):
            check_jpeg(content)


def png_rows(values: np.ndarray, depth: int, interlaced: bool) -> bytes:
    """Rows of a PNG as stored, of values (height, width, channels) of `depth` bits."""
    rows = b""
    for top, left, down, right in ADAM7 if interlaced else [(0, 0, 1, 1)]:
        for row in values[top::down, left::right]:
            if row.size:
                bits = np.unpackbits(
                    row.astype(">u2").view("u1").reshape(-1, 2), axis=1
                )
                rows += b"\0" + np.packbits(bits[:, 16 - depth :]).tobytes()
    return rows


def png(size, depth, color, interlaced, rows: bytes) -> bytes:
    """A PNG by hand, whose checksums are right."""
    content = bytearray(png_bytes(*size, depth, color, rows))
    content[28] = interlaced
    header = png_chunk(b"IHDR", bytes(content[16:29]))
    palette = png_chunk(b"PLTE", noise(1, 256).tobytes()) if color == 3 else b""
    return bytes(content[:8]) + header + palette + bytes(content[33:])


KINDS = [(depth, 0) for depth in (1, 2, 4, 8, 16)] + [(8, 2), (16, 2)]
KINDS += [(depth, 3) for depth in (1, 2, 4, 8)] + [(8, 4), (16, 4), (8, 6), (16, 6)]
READERS = {
    "image": read_image,
    "training image": load_image,
    "label": lambda path: read_label(path, dataset_of([])),
}


@pytest.mark.filterwarnings("ignore:.*alpha channel:UserWarning")
@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("depth", "color"), KINDS)
def test_row_16_a_png_without_rows_behind_valid_checksums(depth, color, interlaced):
    channels = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color]
    draw = np.random.default_rng(0)
    for width, height in ((13, 11), (3, 2), (1, 1)):
        values = draw.integers(1, 1 << depth, (height, width, channels))
        rows = png_rows(values, depth, interlaced)
        lacking = {len(rows) - 1, len(rows) // 2, 0}
        for name, read in READERS.items():
            if name == "label" and color not in (0, 3):
                continue
            whole = png((width, height), depth, color, interlaced, rows)
            pixels = np.asarray(read(EncodedImage("whole.png", whole)))
            assert pixels.shape[:2] == (height, width)
            if name == "label":
                np.testing.assert_array_equal(pixels, values[..., 0])
            for length in lacking:
                content = png((width, height), depth, color, interlaced, rows[:length])
                with pytest.raises(DamagedFileError, match=r"rows.png is damaged"):
                    read(EncodedImage("rows.png", content))


def _chunked(*chunks: tuple[bytes, bytes]) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def test_a_png_of_which_decoders_would_read_different_things_is_damaged():
    small, large = (struct.pack(">IIBBBBB", 4, h, 8, 2, 0, 0, 0) for h in (4, 400))
    packed, end = zlib.compress(bytes(13 * 4)), (b"IEND", b"")
    pixels = (b"IDAT", packed)
    halves = [(b"IDAT", packed[:9]), (b"IDAT", packed[9:])]
    good = _chunked((b"IHDR", small), *halves, end)
    bad = {
        "large_first.png": [(b"IHDR", large), pixels, (b"IHDR", small), end],
        "small_first.png": [(b"IHDR", small), (b"IHDR", large), pixels, end],
        "text_first.png": [(b"tEXt", b"a\0b"), (b"IHDR", small), pixels, end],
        "text_between.png": [
            (b"IHDR", small),
            halves[0],
            (b"tEXt", b"a\0b"),
            halves[1],
        ],
    }
    for read in (read_image, load_image):
        assert np.asarray(read(EncodedImage("good.png", good))).shape == (4, 4, 3)
        for name, chunks in bad.items():
            with pytest.raises(DamagedFileError, match=f"{name} is damaged"):
                read(EncodedImage(name, _chunked(*chunks, end)))


def test_a_png_with_a_black_end_is_whole():
    pixels = noise(40, 40)
    pixels[20:] = 0
    for mode in ("RGB", "L", "P", "RGBA"):
        content = encoded(Image.fromarray(pixels).convert(mode), "PNG")
        assert not read_image(EncodedImage("black.png", content))[-1].any()
