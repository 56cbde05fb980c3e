"""What is said of an image without decoding it."""

import pytest

from harness.image_files import encoded, exif_with, noise, save, write
from keras_lraspp import images as image_checks
from keras_lraspp.images import DamagedFileError, check_image_file, size_mismatch


@pytest.fixture
def decoded(monkeypatch):
    """The files that were decoded."""
    seen = []
    read_image = image_checks.read_image

    def spy(path, **options):
        seen.append(path.name)
        return read_image(path, **options)

    monkeypatch.setattr(image_checks, "read_image", spy)
    return seen


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_whole_files_are_not_decoded(tmp_path, kind, decoded):
    path = write(tmp_path / "whole", encoded(noise(11, 17), kind))
    assert check_image_file(path) == (11, 17) and decoded == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_an_unusual_end_is_looked_at_closely(tmp_path, kind, decoded):
    path = write(tmp_path / "longer", encoded(noise(11, 17), kind) + b"appended")
    assert check_image_file(path) == (11, 17) and decoded == ["longer"]


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
@pytest.mark.parametrize("share", [0.5, 0.9])
def test_row_16_a_cut_file_is_found(tmp_path, kind, share):
    content = encoded(noise(40, 40), kind)
    path = write(tmp_path / "cut", content[: int(share * len(content))])
    with pytest.raises(
        DamagedFileError, match="cut is damaged .*; replace it, or leave"
    ):
        check_image_file(path)


def test_the_size_is_that_of_the_stored_pixels(tmp_path):
    path = save(tmp_path / "a.jpg", noise(11, 17), exif=exif_with(6))
    assert check_image_file(path) == (11, 17)


def test_row_11_sizes_that_differ(tmp_path):
    image, label = save(tmp_path / "a.png", noise(4, 6)), tmp_path / "label.png"
    assert size_mismatch(image, (4, 6), label, (4, 6)) is None
    assert size_mismatch(image, (4, 6), label, (4, 7)) == (
        f"{image} is 4x6 (height x width) but its label {label} is 4x7; labels are "
        "never resized here: correct one of the two."
    )


def test_row_15_sizes_that_differ_by_an_orientation(tmp_path):
    image = save(tmp_path / "a.jpg", noise(4, 6), exif=exif_with(8))
    message = size_mismatch(image, (4, 6), tmp_path / "label.png", (6, 4))
    assert "a.jpg is 4x6" in message and "label.png is 6x4" in message
    assert "EXIF orientation 8: save it upright, as its label is" in message
