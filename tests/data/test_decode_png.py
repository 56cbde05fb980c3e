"""Rows of a PNG are those that Pillow decodes; damage is left to others."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.data.decode import decode_png_rows

pytest.importorskip("isal")

WIDTH, HEIGHT = 211, 97  # a row of an odd number of bytes; several stored blocks


def picture(mode: str) -> np.ndarray:
    """Slopes and noise, so that Pillow's encoder chooses among all filters."""
    channels = {"RGB": 3, "L": 1, "RGBA": 4}[mode]
    draw = np.random.default_rng(0)
    slope = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH))[..., None]
    noise = draw.integers(0, 9, (HEIGHT, WIDTH, channels))
    noise[HEIGHT // 2 :] *= 20
    pixels = ((slope + noise) % 256).astype(np.uint8)
    return pixels[..., 0] if mode == "L" else pixels


def png(mode: str, **options) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(mode), mode).save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
@pytest.mark.parametrize("rows", [1, 50, HEIGHT, HEIGHT + 1, None])
def test_rows_are_those_of_the_whole(mode, rows):
    expected = picture(mode)[:rows].reshape(-1, WIDTH, len(mode))
    np.testing.assert_array_equal(decode_png_rows(png(mode), rows), expected)


def test_text_before_and_behind_the_pixels_changes_nothing():
    content = png("RGB")
    text = chunk(b"tEXt", b"Comment\0" + b"x" * 300)
    content = content[:33] + text + content[33:-12] + text + content[-12:]
    np.testing.assert_array_equal(decode_png_rows(content, 9), picture("RGB")[:9])


def test_pixels_in_many_chunks():
    content = png("RGB")
    (length,) = struct.unpack(">I", content[33:37])
    packed = content[41 : 41 + length]
    parts = [chunk(b"IDAT", packed[i : i + 1000]) for i in range(0, length, 1000)]
    divided = content[:33] + b"".join(parts) + content[-12:]
    np.testing.assert_array_equal(decode_png_rows(divided), picture("RGB"))


def chunk(kind: bytes, body: bytes) -> bytes:
    framed = kind + body
    return struct.pack(">I", len(body)) + framed + struct.pack(">I", zlib.crc32(framed))


def test_every_byte_that_is_changed_is_noticed():
    content = png("L")
    for place in range(8, len(content), 31):
        changed = bytearray(content)
        changed[place] ^= 0x10
        assert decode_png_rows(bytes(changed)) is None, place


def test_every_cut_before_the_rows_end_is_noticed():
    content = png("RGB")
    for end in range(8, len(content) - 12, 997):
        assert decode_png_rows(content[:end]) is None, end


def test_other_kinds_are_left_to_others():
    assert decode_png_rows(b"") is None
    assert decode_png_rows(b"GIF89a" * 9) is None
    deep = io.BytesIO()
    Image.fromarray(picture("L").astype(np.uint16) * 256).save(deep, "PNG")
    assert decode_png_rows(deep.getvalue()) is None


def test_a_claim_of_many_pixels_takes_no_memory():
    header = struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    content += chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    assert decode_png_rows(content) is None
