"""Rows 16-19 of the table of faults: what is refused before it is decoded."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.image_files import (
    FAULTY,
    claiming_jpeg,
    dataset_of,
    encoded,
    noise,
    png_bytes,
    save,
    write,
)
from keras_lraspp.data.check import check_image_file
from keras_lraspp.data.decode import load_sample
from keras_lraspp.data.label_spec import read_label
from keras_lraspp.errors import InputError
from keras_lraspp.images import (
    DamagedFileError,
    open_image,
    read_image,
)

OPEN_FILES = Path("/proc/self/fd")
READERS = {
    "read_image": read_image,
    "read_label": lambda path: read_label(path, dataset_of([])),
    "check_image": check_image_file,
    "load_sample": lambda path: load_sample(path, path, dataset_of([])),
}


CASES = [
    pytest.param(reader, faulty, id=f"row {faulty.row}: {faulty.name} by {reader}")
    for reader in READERS
    for faulty in FAULTY
    # As a label, a JPEG whose header is whole is refused for being one.
    if (reader, faulty.name) != ("read_label", "cut.jpg")
]


@pytest.mark.parametrize(("reader", "faulty"), CASES)
def test_rows_16_to_19_are_refused_by_each_reader(tmp_path, reader, faulty):
    path = write(tmp_path / faulty.name, faulty.content())
    with pytest.raises(InputError, match=faulty.says) as caught:
        READERS[reader](path)
    assert str(path) in str(caught.value)
    assert isinstance(caught.value, DamagedFileError) == faulty.damaged
    if OPEN_FILES.is_dir():  # Linux's
        files = [link.resolve() for link in OPEN_FILES.iterdir()]
        assert path.resolve() not in files  # though `caught` keeps all that was called


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP"])
def test_row_16_a_file_cut_anywhere_is_damaged_or_still_whole(tmp_path, kind):
    """Cut at the very end, all pixels may be there; else the file is damaged."""
    pixels = noise(9, 13)
    content = encoded(pixels, kind)
    path = write(tmp_path / "picture", content)
    whole = read_image(path)
    survived = []
    for length in range(0, len(content), max(1, len(content) // 120)):
        path.write_bytes(content[:length])
        try:
            np.testing.assert_array_equal(read_image(path), whole)
            survived.append(length)
        except DamagedFileError as error:
            assert str(path) in str(error)
    assert all(length > len(content) - 25 for length in survived)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
def test_row_45_mutated_files_bring_only_typed_errors(tmp_path, kind):
    rng = np.random.default_rng(3)
    content = np.frombuffer(encoded(noise(9, 13), kind), np.uint8)
    refused = 0
    for _ in range(60):
        mutated = content.copy()
        places = rng.integers(0, rng.choice([40, 200, len(content)]), 3)
        mutated[places % len(content)] = rng.integers(0, 256, 3)
        path = write(tmp_path / "mutated", mutated.tobytes())
        for read in READERS.values():
            try:
                read(path)
            except InputError:
                refused += 1
    assert refused > 20


MEMORY = """
import sys
from keras_lraspp.data.check import check_image_file
from keras_lraspp.images import read_image
from keras_lraspp.errors import InputError

def peak():  # KiB; ru_maxrss begins with that of the parent
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if "VmHWM" in line)

read_image(sys.argv[1])  # what Pillow itself needs
before = peak()
for path in sys.argv[2:]:
    for read in (read_image, check_image_file):
        try:
            read(path)
        except InputError:
            continue
        sys.exit(f"{path} was read")
print(peak() - before)
"""


def test_row_18_image_bombs_take_no_memory(tmp_path):
    bombs = {
        "bomb.png": png_bytes(60_000, 60_000, 8, 2, bytes(1000)),
        "just_above.png": png_bytes(8192, 8193, 8, 2, bytes(1000)),
        "bomb.jpg": claiming_jpeg(65280, 65280),
        "just_below.jpg": claiming_jpeg(8192, 8191),
    }
    paths = [str(write(tmp_path / name, content)) for name, content in bombs.items()]
    assert all(len(content) < 2000 for content in bombs.values())
    good = save(tmp_path / "good.png", noise(16, 16))
    child = subprocess.run(
        [sys.executable, "-c", MEMORY, str(good), *paths],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert child.returncode == 0, child.stderr
    assert int(child.stdout) < 50 * 1024


def test_the_largest_size_is_let_through(tmp_path):
    path = write(tmp_path / "large.png", png_bytes(8192, 8192, 8, 2, bytes(10_000_000)))
    with open_image(path) as image:
        assert image.size == (8192, 8192)


def test_the_limit_on_pixels_is_the_callers(tmp_path):
    path = save(tmp_path / "small.png", noise(8, 16))
    assert read_image(path, max_pixels=128).shape == (8, 16, 3)
    with pytest.raises(
        InputError, match="claims 16x8 pixels, more than the limit of 127; cut it"
    ):
        read_image(path, max_pixels=127)


@pytest.mark.parametrize("name", ["missing.png", "."])
def test_what_cannot_be_opened_is_no_damage(tmp_path, name):
    says = r"Cannot read .*: .*; check the path"
    with pytest.raises(InputError, match=says) as caught, open_image(tmp_path / name):
        pass
    assert not isinstance(caught.value, DamagedFileError)


def test_an_empty_photograph_is_no_bomb(tmp_path):
    """The fewest bytes that a JPEG of this size can have, near enough."""
    path = tmp_path / "white.jpg"
    Image.new("L", (2000, 2000), 255).save(path, quality=1, optimize=True)
    assert path.stat().st_size < 2000 * 2000 / 200
    assert (read_image(path) == 255).all()


def test_a_still_gif_is_no_animation(tmp_path):
    path = tmp_path / "still.gif"
    Image.fromarray(noise(4, 5)).convert("L").save(path)
    with Image.open(path) as image:
        wanted = np.asarray(image.convert("RGB"))
    np.testing.assert_array_equal(read_image(path), wanted)
