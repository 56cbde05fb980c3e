"""Rows 10, 13-20 and 45 of the table of faults, with real files through `predict`."""

import contextlib
import io
import re
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
import pytest
from PIL import Image

from harness import warned
from harness.image_files import (
    FAULTY,
    classes,
    encoded,
    exif_with,
    noise,
    palette_image,
    png_bytes,
    write,
)
from harness.mutations import mutate
from harness.pixel_model import expected_labels, pixel_model
from harness.tiny import SMALLEST
from keras_lraspp import pixels
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.palettes import picture_palette
from keras_lraspp.prediction.predict import predict
from keras_lraspp.visualize import overlay

PIXELS = noise(16, 24)
GREY = PIXELS[..., :1]
DEEP = np.random.default_rng(0).integers(0, 65536, (16, 24, 3)).astype(">u2")
INDICES = classes(16, 24)
RED = np.full((16, 24, 3), (255, 0, 0), np.uint8)


class Usable(NamedTuple):
    """A file of an unusual kind, and the RGB (or grey) that it stands for."""

    row: int
    name: str
    content: Callable[[], bytes]
    pixels: np.ndarray


def png(pixels, **options):
    return lambda: encoded(pixels, "PNG", **options)


def with_alpha():
    image = Image.fromarray(PIXELS)
    image.putalpha(Image.fromarray(GREY[..., 0]))
    return encoded(image, "PNG")


def rgb_of_16_bits():
    rows = b"".join(b"\0" + row.tobytes() for row in DEEP)
    return png_bytes(24, 16, 16, 2, rows)


def cmyk():
    return encoded(Image.new("CMYK", (24, 16), (0, 255, 255, 0)), "TIFF")


UPRIGHT = {  # what the EXIF orientations 1 to 8 ask for
    1: PIXELS,
    2: PIXELS[:, ::-1],
    3: PIXELS[::-1, ::-1],
    4: PIXELS[::-1],
    5: PIXELS.swapaxes(0, 1),
    6: np.rot90(PIXELS, -1),
    7: PIXELS[::-1, ::-1].swapaxes(0, 1),
    8: np.rot90(PIXELS),
}
SIZES = ((1, 1), (31, 33), (8, 4000), (4000, 3), (2, 1))
USABLE = (
    Usable(10, "grey16.png", png(DEEP[..., 0].astype(np.uint16)), DEEP[..., :1] // 256),
    Usable(10, "rgb16.png", rgb_of_16_bits, DEEP // 256),
    Usable(13, "alpha.png", with_alpha, PIXELS),
    Usable(14, "grey.png", png(GREY[..., 0]), GREY),
    Usable(14, "bits.png", png(Image.fromarray(GREY[..., 0] > 99)), (GREY > 99) * 255),
    Usable(
        14,
        "palette.png",
        png(palette_image(INDICES)),
        noise(1, 256, seed=9)[0][INDICES],
    ),
    Usable(14, "cmyk.tif", cmyk, RED),
    *(
        Usable(15, f"turned{turn}.png", png(PIXELS, exif=exif_with(turn)), pixels)
        for turn, pixels in UPRIGHT.items()
    ),
    *(
        Usable(20, f"{side[0]}x{side[1]}.png", png(noise(*side)), noise(*side))
        for side in SIZES
    ),
)


def usable_id(row):
    return f"row {row.row}: {row.name}"


@pytest.fixture(scope="module")
def model():
    return pixel_model(11, seed=3)


@pytest.fixture(scope="module")
def segment(model, tmp_path_factory):
    weights = tmp_path_factory.mktemp("model") / "best.keras"
    model.save(weights)

    def run(source, target):
        return predict(
            model=lambda num_classes: pixel_model(num_classes, seed=99),
            weights=weights,
            input_path=source,
            output_dir=target,
            classes="camvid",
        )

    return run


@pytest.fixture(scope="module")
def segmented(segment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("usable")
    for file in USABLE:
        write(folder / file.name, file.content())
    pixels._ALPHA_WARNED.clear()
    with pytest.warns(UserWarning) as caught:
        jobs = segment(folder, tmp_path_factory.mktemp("pictures"))
    return {job.image.name: job for job in jobs}, warned.texts(caught)


@pytest.mark.parametrize("file", USABLE, ids=usable_id)
def test_rows_10_13_14_15_20_are_segmented_as_what_they_show(segmented, model, file):
    job = segmented[0][file.name]
    image = np.broadcast_to(file.pixels, (*file.pixels.shape[:2], 3)).astype(np.uint8)
    labels = expected_labels(model, image).astype(np.uint8)
    with Image.open(job.labels) as picture:
        np.testing.assert_array_equal(picture, labels)
    with Image.open(job.color) as picture:
        assert picture.size == labels.shape[::-1]
    with Image.open(job.overlay) as picture:
        palette = picture_palette(CLASS_SETS["camvid"])
        np.testing.assert_array_equal(picture, overlay(image, labels, palette))


def test_row_13_alpha_is_warned_of_and_nothing_else(segmented):
    said = segmented[1]
    assert len(said) == 1, said
    assert "alpha.png has an alpha channel, which is dropped" in said[0]


@pytest.fixture(scope="module")
def refused(segment, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    for file in FAULTY:
        write(folder / file.name, file.content())
    write(folder / "deep.tif", encoded(Image.fromarray(GREY[..., 0] / 2), "TIFF"))
    write(folder / "good.png", encoded(PIXELS, "PNG"))
    said = io.StringIO()
    with contextlib.redirect_stderr(said), pytest.raises(InputError) as caught:
        segment(folder, folder / "out")
    said = re.findall(rf"^{folder}.*", said.getvalue().replace("\r", "\n"), re.M)
    return folder, said, str(caught.value)


@pytest.mark.parametrize(
    ("row", "name", "says"),
    [
        *((f.row, f.name, f.says) for f in FAULTY),
        (10, "deep.tif", "has 32 bits per channel; convert it to 8 or 16 bits"),
    ],
)
def test_rows_10_and_16_to_19_are_refused_by_name(refused, row, name, says):
    folder, said, end = refused
    (line,) = (line for line in said if line.startswith(str(folder / name)))
    assert re.search(says, line)


def test_rows_16_to_19_leave_the_rest_done(refused):
    folder, said, end = refused
    count = len(FAULTY) + 1
    assert len(said) == count
    assert f"{count} of {count + 1} images failed, each named above" in end
    assert f"the results of the other 1 are in {folder / 'out'}" in end
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        "good_color.png",
        "good_labels.png",
        "good_overlay.png",
    ]


@pytest.mark.parametrize("pooling", ["global", "large_kernel"])
def test_row_20_the_real_network_on_small_images(tmp_path, capsys, pooling):
    model = SMALLEST(num_classes=3, pooling=pooling)
    model.save(tmp_path / "best.keras")
    for height, width in ((1, 1), (31, 33), (8, 400)):
        name = f"{height}x{width}.png"
        write(tmp_path / "in" / name, encoded(noise(height, width), "PNG"))
    arguments = {
        "model": lambda num_classes: SMALLEST(num_classes=num_classes, pooling=pooling),
        "weights": tmp_path / "best.keras",
        "input_path": tmp_path / "in",
        "output_dir": tmp_path / "out",
        "classes": 3,
        "outputs": ["labels"],
    }
    if pooling == "global":
        for job in predict(**arguments):
            with Image.open(job.image) as image, Image.open(job.labels) as labels:
                assert labels.size == image.size
    else:
        with pytest.raises(InputError, match="3 of 3 images failed"):
            predict(**arguments)
        said = capsys.readouterr().err
        side = model.smallest_side
        for size in ("1x1", "31x33", "8x400"):
            assert f"{size}.png: The image is {size}, but this model's" in said
        assert said.count(f"smallest side is {side} pixels; ") == 3
    keras.utils.clear_session()


@pytest.mark.filterwarnings("error::UserWarning:PIL", "error::RuntimeWarning:PIL")
def test_row_45_mutated_files_through_predict(segment, tmp_path, capsys):
    rng = np.random.default_rng(7)
    bases = [encoded(PIXELS, kind) for kind in ("JPEG", "PNG", "TIFF", "WEBP")]
    for index in range(80):
        content = mutate(bases[index % 4], bases[index // 4 % 4], rng)
        write(tmp_path / "in" / f"{index:03}.png", content)
    with pytest.raises(InputError) as caught:
        segment(tmp_path / "in", tmp_path / "out")
    failed, total = map(int, str(caught.value).split(" images")[0].split(" of "))
    assert total == 80 and 20 < failed < 75
    said = capsys.readouterr().err
    assert sum(f"in/{index:03}.png" in said for index in range(80)) == failed
    assert len([*(tmp_path / "out").iterdir()]) == 3 * (total - failed)
