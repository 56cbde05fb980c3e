"""Small image files that claim much, or go on and on."""

import struct
import zlib

import numpy as np
from PIL import Image

from harness.image_files import encoded, noise, png_bytes, png_chunk

SIDE = 8192  # the largest square that is read
_MANY = 300_000
_RANDOM = np.random.default_rng(0).bytes(_MANY)
_RGB_ROW = bytes(1 + 3 * SIDE)


def jpeg_segment(marker: int, body: bytes = b"") -> bytes:
    """A segment of a JPEG with its length."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def with_sides(jpeg: bytes, height: int, width: int) -> bytes:
    """A JPEG whose header claims another size."""
    frame = jpeg.index(b"\xff\xc2" if b"\xff\xc2" in jpeg else b"\xff\xc0") + 5
    return jpeg[:frame] + struct.pack(">HH", height, width) + jpeg[frame + 4 :]


def tiff_bytes(tags: dict[int, list[int]], pixels: bytes = b"") -> bytes:
    """A TIFF by hand, of tags of 32 bits; its pixels begin at byte 8."""
    table = 8 + len(pixels)
    place, rows, values = table + 2 + 12 * len(tags) + 4, b"", b""
    for tag, numbers in sorted(tags.items()):
        packed = struct.pack(f"<{len(numbers)}I", *numbers)
        rows += struct.pack("<HHI", tag, 4, len(numbers))
        if len(numbers) > 1:
            packed, values = struct.pack("<I", place + len(values)), values + packed
        rows += packed
    head = struct.pack("<4sI", b"II*\0", table) + pixels
    return head + struct.pack("<H", len(tags)) + rows + bytes(4) + values


def _tiff_of_strips(compression: int, *strips: bytes, rows: int) -> bytes:
    counts = [len(strip) for strip in strips]
    offsets = [8 + sum(counts[:index]) for index in range(len(strips))]
    sides = {256: [SIDE], 257: [SIDE], 258: [8, 8, 8], 259: [compression], 262: [2]}
    where = {273: offsets, 277: [3], 278: [rows], 279: counts}
    return tiff_bytes(sides | where, b"".join(strips))


def _png_of_claims() -> dict[str, bytes]:
    short = png_bytes(SIDE, SIDE, 8, 2, _RGB_ROW * 64)
    packed = zlib.compress(_RGB_ROW * 64)
    return {
        "rows.png": short,
        "grey_rows.png": png_bytes(SIDE, SIDE, 8, 0, bytes(SIDE + 1) * 64),
        "deep_rows.png": png_bytes(SIDE, SIDE, 16, 6, bytes(8 * SIDE + 1) * 64),
        "text.png": short[:-12] + png_chunk(b"tEXt", b"a\0" + _RANDOM) + short[-12:],
        "behind_the_rows.png": short[:33]
        + png_chunk(b"IDAT", packed + _RANDOM)
        + short[-12:],
    }


def _jpegs_of_claims() -> dict[str, bytes]:
    whole = encoded(noise(64, 64), "JPEG")
    claim, scan = with_sides(whole, SIDE, SIDE), whole.index(b"\xff\xda")
    progressive = with_sides(
        encoded(noise(64, 64), "JPEG", progressive=True), SIDE, SIDE
    )
    last = progressive.rindex(b"\xff\xda")
    padding = jpeg_segment(0xE5, bytes(60_000)) * 5
    return {
        "application_data.jpg": claim[:2] + padding + claim[2:],
        "comments.jpg": claim[:scan]
        + jpeg_segment(0xFE, _RANDOM[:60_000]) * 5
        + claim[scan:],
        "filling.jpg": claim[:-2] + b"\xff" * _MANY + claim[-2:],
        "coded_filling.jpg": claim[:-2] + b"\xff" * _MANY + b"\0" + claim[-2:],
        "behind_the_end.jpg": claim + _RANDOM,
        "few_coded_bytes.jpg": claim[:-2] + bytes(_MANY) + claim[-2:],
        "scans.jpg": progressive[:-2]
        + (progressive[last : last + 10] + bytes(2000)) * 150
        + b"\xff\xd9",
    }


def _webp_of_claims() -> dict[str, bytes]:
    flat = encoded(Image.new("RGB", (16, 16)), "WEBP", lossless=True, method=6)
    sides = SIDE - 1 | (SIDE - 1) << 14
    flat = flat[:21] + struct.pack("<I", sides) + flat[25:]
    junk = flat[8:] + struct.pack("<4sI", b"JUNK", 20_000) + bytes(20_000)
    return {
        "flat.webp": flat,
        "junk.webp": struct.pack("<4sI", b"RIFF", len(junk)) + junk,
    }


def _others_of_claims() -> dict[str, bytes]:
    gif = encoded(Image.new("P", (16, 16)), "GIF")
    screen = gif[:6] + struct.pack("<HH", SIDE, SIDE) + gif[10:]
    frame = gif.rindex(b",") + 5
    comment = b"!\xfe" + (b"\xff" + _RANDOM[:255]) * 200 + b"\0;"
    bmp = encoded(Image.new("P", (16, 16)), "BMP")
    pixels = struct.unpack_from("<I", bmp, 10)[0]
    header = bmp[:18] + struct.pack("<II", SIDE, SIDE) + bmp[26:pixels]
    packed = header[:30] + struct.pack("<I", 1) + header[34:]
    strip = zlib.compress(_RGB_ROW[1:] * 64)
    return {
        "screen.gif": screen[:-1] + comment,
        "frame.gif": screen[:frame] + screen[6:10] + screen[frame + 4 : -1] + comment,
        "claim.bmp": header + bytes(256),
        "runs.bmp": packed + b"\xff\0" * 1000 + b"\0\1",
        "end.bmp": packed + b"\0\1" + bytes(600_000),
        "binary.ppm": b"P6 8192 8192 255\n" + bytes(1000),
        "bits.pbm": b"P4 8192 8192\n" + bytes(1000),
        "plain.pgm": b"P2 8192 8192 255\n" + b"0 " * 1000,
        "of_254.ppm": b"P6 8192 8192 254\n" + bytes(1000),
        "one_strip.tiff": _tiff_of_strips(8, strip, rows=64),
        "raw_strip.tiff": _tiff_of_strips(1, _RGB_ROW[1:] * 64, rows=64),
    }


CLAIMS = {
    **_png_of_claims(),
    **_jpegs_of_claims(),
    **_webp_of_claims(),
    **_others_of_claims(),
}


def _endless() -> dict[str, bytes]:
    png, jpeg = png_bytes(4, 4, 8, 2, bytes(13 * 4)), encoded(noise(8, 8), "JPEG")
    gif = encoded(np.zeros((8, 8), np.uint8), "GIF")
    chunks = png_chunk(b"abCd", b"") * 70_000
    text = png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000))) * 100
    frame = gif.rindex(b",")
    return {
        "comment.ppm": b"P6\n#" + b"a" * 500_000 + b"\n4 4\n255\n" + bytes(48),
        "blanks.ppm": b"P6\n" + b" " * 500_000 + b"4 4\n255\n" + bytes(48),
        "comments.pbm": b"P1\n999 999\n" + b"#\n" * 500_000 + b"0" * 999**2,
        "filling.jpg": jpeg[:2] + b"\xff" * 500_000 + jpeg[2:],
        "zeros.jpg": jpeg[:20] + bytes(500_000) + jpeg[20:],
        "segments.jpg": jpeg[:2] + jpeg_segment(0xE5) * 70_000 + jpeg[2:],
        "scans.jpg": jpeg[:-2] + jpeg_segment(0xFE) * 70_000 + jpeg[-2:],
        "chunks.png": png[:33] + chunks + png[33:],
        "behind.png": png[:-12] + chunks + png[-12:],
        "parts.png": png[:33] + png_chunk(b"IDAT", b"") * 70_000 + png[33:],
        "texts.png": png[:33] + text + png[33:],
        "comments.gif": gif[:frame] + b"!\xfe" + b"\1a" * 90_000 + b"\0" + gif[frame:],
        "entries.tiff": b"II*\0\x08\0\0\0\xff\xff"
        + b"".join(struct.pack("<HHII", k, 1, 5000, 8) for k in range(65_535))
        + bytes(4),
    }


ENDLESS = _endless()
