"""Row 49 of the table of faults: small files that take much memory or time."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from harness.bombs import CLAIMS, ENDLESS, tiff_bytes
from harness.image_files import encoded, noise, write
from keras_lraspp.data import decode
from keras_lraspp.data.decode import load_image
from keras_lraspp.images import DamagedFileError, EncodedImage, read_image

CHILD = """
import resource, sys, time
from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image

def peak():  # MiB; ru_maxrss begins with that of the parent
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if "VmHWM" in line) / 1024

*paths, large = sys.argv[1:]
for path in paths:
    start, before = time.process_time(), peak()
    try:
        read_image(path)
    except InputError:
        print(path, time.process_time() - start, peak() - before)
    else:
        sys.exit(f"{path} was read")
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 2**22, -1))
try:
    read_image(large)
except InputError as error:
    sys.exit(str(error))
"""


def test_the_files_are_small():
    assert all(len(content) < 2_000_000 for content in CLAIMS.values())
    assert sum(len(content) < 2000 for content in CLAIMS.values()) > 7


@pytest.mark.parametrize("read", [read_image, load_image])
@pytest.mark.parametrize("name", CLAIMS)
def test_row_49_a_small_file_of_a_huge_picture_is_damaged(name, read):
    with pytest.raises(DamagedFileError, match=f"{name} is damaged .*; replace it"):
        read(EncodedImage(name, CLAIMS[name]))


def test_row_49_holds_where_isal_is_missing(monkeypatch):
    monkeypatch.setattr(decode, "isal_zlib", None)
    for name in ("rows.png", "behind_the_rows.png", "text.png"):
        with pytest.raises(DamagedFileError, match=f"{name} is damaged"):
            load_image(EncodedImage(name, CLAIMS[name]))
    pixels = noise(9, 13)
    good = EncodedImage("good.png", encoded(pixels, "PNG"))
    np.testing.assert_array_equal(load_image(good), pixels)


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
@pytest.mark.parametrize("name", ENDLESS)
def test_row_49_a_header_that_goes_on_and_on_is_given_up(name):
    wrong = "its header does not end|it has more than|there is a comment|text chunks"
    with pytest.raises(
        DamagedFileError, match=f"{name} is damaged .*({wrong}).*; repl"
    ):
        read_image(EncodedImage(name, ENDLESS[name]))


def test_row_49_takes_little_time_and_memory_and_row_50_is_named(tmp_path):
    files = {**CLAIMS, **{f"endless_{name}": ENDLESS[name] for name in ENDLESS}}
    paths = [str(write(tmp_path / name, content)) for name, content in files.items()]
    large = tmp_path / "large.png"
    Image.new("RGB", (3000, 3000), 200).save(large, compress_level=1)
    child = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CHILD, *paths, str(large)],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    rows = [line.split() for line in child.stdout.splitlines()]
    assert [row[0] for row in rows] == paths, child.stderr
    # 0.3 s and 30 MiB at most on an idle machine.
    assert all(float(seconds) < 2 for _, seconds, _ in rows), rows
    assert all(float(memory) < 100 for *_, memory in rows), rows
    assert "large.png needs more memory than there is; cut it into" in child.stderr


FLAT = {
    "PNG of a bit": ("1", "PNG", {"compress_level": 9}),
    "grey PNG": ("L", "PNG", {"compress_level": 9}),
    "PNG": ("RGB", "PNG", {"compress_level": 9}),
    "GIF": ("L", "GIF", {}),
    "grey JPEG": ("L", "JPEG", {"quality": 1, "optimize": True}),
    "JPEG": ("RGB", "JPEG", {"quality": 1, "optimize": True}),
    "progressive JPEG": ("RGB", "JPEG", {"quality": 1, "progressive": True}),
    "WebP": ("RGB", "WEBP", {"lossless": True, "method": 0}),
    "lossy WebP": ("RGB", "WEBP", {"quality": 1, "method": 0}),
    "LZW": ("L", "TIFF", {"compression": "tiff_lzw"}),
    "deflate": ("1", "TIFF", {"compression": "tiff_adobe_deflate"}),
    "fax": ("1", "TIFF", {"compression": "group4"}),
    "bits": ("1", "BMP", {}),
    "PBM": ("1", "PPM", {}),
}


@pytest.mark.parametrize("case", FLAT)
def test_a_flat_picture_is_no_bomb(case):
    """Nothing compresses further."""
    mode, kind, options = FLAT[case]
    content = encoded(Image.new(mode, (2000, 1500)), kind, **options)
    pixels = read_image(EncodedImage(case, content))
    assert pixels.shape == (1500, 2000, 3) and (pixels == pixels[0, 0]).all()


def test_a_still_gif_that_leaves_some_of_its_screen_is_damaged():
    content = bytearray(encoded(Image.new("P", (16, 16)), "GIF"))
    content[6] = 17
    with pytest.raises(DamagedFileError, match="holds 256 of its 272 pixels"):
        read_image(EncodedImage("part.gif", bytes(content)))


@pytest.mark.parametrize("planar", [1, 2])
def test_a_tiff_without_its_last_strip_is_damaged(planar):
    """Pillow leaves those rows, or that channel, black."""
    planes, samples = (3, 1) if planar == 2 else (1, 3)
    pixels = np.random.default_rng(0).integers(0, 256, (planes, 6, 5 * samples), "u1")
    offsets = list(range(8, 8 + pixels.size, 2 * 5 * samples))
    tags = {256: [5], 257: [6], 258: [8, 8, 8], 259: [1], 262: [2], 277: [3], 278: [2]}
    tags |= {284: [planar], 279: [10 * samples] * len(offsets)}
    whole = tiff_bytes({**tags, 273: offsets}, pixels.tobytes())
    wanted = pixels.reshape(planes, 6, 5, samples)
    wanted = wanted[0] if planar == 1 else np.moveaxis(wanted[..., 0], 0, -1)
    read = read_image(EncodedImage("whole.tiff", whole))
    np.testing.assert_array_equal(read, wanted)
    lacking = tiff_bytes({**tags, 273: offsets[:-1]}, pixels.tobytes())
    with pytest.raises(DamagedFileError, match=r"holds \d+ of its \d+ pixels"):
        read_image(EncodedImage("lacking.tiff", lacking))
