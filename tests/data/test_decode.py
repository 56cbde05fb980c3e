"""A sample as the pipeline loads it: TensorFlow's decoders against Pillow's."""

import numpy as np
import pytest
from PIL import Image

from harness.image_files import (
    classes,
    dataset_of,
    encoded,
    exif_with,
    noise,
    save,
    write,
)
from keras_lraspp.data import decode as loading
from keras_lraspp.data.decode import load_sample, size_mismatch
from keras_lraspp.data.label_spec import label_dtype
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError

PHOTO = np.asarray(
    Image.fromarray(noise(9, 12)).resize((61, 45), Image.Resampling.BICUBIC)
)

IMAGES = {
    "PNG": ("PNG", "RGB", {}),
    "interlaced or not, optimised": ("PNG", "RGB", {"optimize": True}),
    "PNG with a transparent colour": ("PNG", "RGB", {"transparency": (1, 2, 3)}),
    "palette PNG": ("PNG", "P", {}),
    "grey PNG": ("PNG", "L", {}),
    "RGBA PNG": ("PNG", "RGBA", {}),
    "JPEG 4:2:0": ("JPEG", "RGB", {"subsampling": 2, "quality": 80}),
    "JPEG 4:2:2": ("JPEG", "RGB", {"subsampling": 1, "quality": 90}),
    "JPEG 4:4:4": ("JPEG", "RGB", {"subsampling": 0, "quality": 95}),
    "progressive JPEG": ("JPEG", "RGB", {"progressive": True}),
    "turned JPEG": ("JPEG", "RGB", {"exif": exif_with(6)}),
    "grey JPEG": ("JPEG", "L", {}),
    "CMYK JPEG": ("JPEG", "CMYK", {}),
    "BMP": ("BMP", "RGB", {}),
    "WebP": ("WEBP", "RGB", {}),
}


@pytest.mark.filterwarnings("ignore:.*alpha channel:UserWarning")
@pytest.mark.parametrize("case", IMAGES)
def test_pixels_are_pillows(tmp_path, case):
    kind, mode, options = IMAGES[case]
    pixels = Image.fromarray(PHOTO).convert(mode)
    image_path, label_path = tmp_path / "image", tmp_path / "label.png"
    pixels.save(image_path, kind, **options)
    label = save(label_path, classes(*PHOTO.shape[:2]))
    image, _ = load_sample(image_path, label, dataset_of([image_path], [label_path]))
    with Image.open(image_path) as opened:
        wanted = np.asarray(opened.convert("RGB"))
    if mode == "RGBA" or "transparency" in options:
        wanted = PHOTO
    np.testing.assert_array_equal(image, wanted)


def test_the_usual_kinds_are_left_to_tensorflow(tmp_path, monkeypatch):
    def refuse(path, *_, **__):
        raise AssertionError(f"{path} went to Pillow")

    monkeypatch.setattr(loading, "read_image", refuse)
    monkeypatch.setattr(loading, "read_label", refuse)
    label = classes(45, 61)
    label_path = save(tmp_path / "label.png", label)
    for name in ("a.png", "a.jpg"):
        path = save(tmp_path / name, PHOTO)
        _, loaded = load_sample(path, label_path, dataset_of([path], [label_path]))
        np.testing.assert_array_equal(loaded, label)


@pytest.mark.parametrize(
    ("num_classes", "ignore_label", "dtype"),
    [
        (5, 255, np.uint8),
        (256, None, np.uint8),
        (5, 65535, np.int32),
        (257, None, np.int32),
        (300, 999, np.int32),
    ],
)
def test_the_labels_type_follows_from_the_data_set(
    tmp_path, num_classes, ignore_label, dtype
):
    image = save(tmp_path / "image.png", noise(4, 5))
    label = save(tmp_path / "label.png", classes(4, 5))
    dataset = dataset_of(
        [image], [label], num_classes=num_classes, ignore_label=ignore_label
    )
    assert label_dtype(dataset) == dtype
    _, loaded = load_sample(image, label, dataset)
    assert loaded.dtype == dtype
    np.testing.assert_array_equal(loaded, classes(4, 5))


def test_a_lookup_is_applied(tmp_path):
    image = save(tmp_path / "image.png", noise(1, 4))
    label = save(tmp_path / "label.png", np.array([[0, 7, 8, 33]], np.uint8))
    lookup = [255] * 256
    lookup[7], lookup[8], lookup[33] = 0, 1, 4
    dataset = dataset_of([image], [label], label_lookup=tuple(lookup))
    _, loaded = load_sample(image, label, dataset)
    assert loaded.tolist() == [[255, 0, 1, 4]]


def test_row_5_a_label_outside_the_classes(tmp_path):
    image = save(tmp_path / "image.png", noise(1, 4))
    label = save(tmp_path / "label.png", np.array([[0, 4, 5, 255]], np.uint8))
    with pytest.raises(InputError, match=r"Label values 5 are neither.*label\.png"):
        load_sample(image, label, dataset_of([image], [label]))


def test_row_6_255_without_an_ignore_label(tmp_path):
    image = save(tmp_path / "image.png", noise(1, 4))
    label = save(tmp_path / "label.png", np.array([[0, 4, 4, 255]], np.uint8))
    dataset = dataset_of([image], [label], ignore_label=None)
    with pytest.raises(InputError, match="set ignore_label=255"):
        load_sample(image, label, dataset)


def test_row_11_another_size(tmp_path):
    image = save(tmp_path / "image.png", noise(4, 5))
    label = save(tmp_path / "label.png", classes(5, 4))
    with pytest.raises(
        InputError, match=r"image.png is 4x5 .*label.png is 5x4; labels"
    ):
        load_sample(image, label, dataset_of([image], [label]))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_row_16_damage_in_the_middle_shows_here(tmp_path, kind):
    """The end of the file is whole, so that only decoding finds it."""
    content = encoded(noise(40, 40), kind)
    half, tail = len(content) // 2, content[-12:]
    image = write(tmp_path / "image", content[:half] + tail)
    label = save(tmp_path / "label.png", classes(40, 40))
    with pytest.raises(DamagedFileError, match="image is damaged"):
        load_sample(image, label, dataset_of([image], [label]))


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_window_is_that_part_of_the_whole(tmp_path, kind):
    draw = np.random.default_rng(0)
    image_path, label_path = tmp_path / f"a.{kind}", tmp_path / "label.png"
    Image.fromarray(draw.integers(0, 256, (40, 50, 3), np.uint8)).save(image_path)
    Image.fromarray(draw.integers(0, 3, (40, 50), np.uint8)).save(label_path)
    dataset = dataset_of([image_path], [label_path])
    image, label = dataset.load(0)
    part = dataset.load_window(0, Window(40, 50, 7, 31, 5, 49))
    np.testing.assert_array_equal(part[0], image[7:31, 5:49])
    np.testing.assert_array_equal(part[1], label[7:31, 5:49])


def test_a_window_does_not_hide_that_sizes_differ(tmp_path):
    image_path, label_path = tmp_path / "a.png", tmp_path / "label.png"
    Image.fromarray(np.zeros((40, 50, 3), np.uint8)).save(image_path)
    Image.fromarray(np.zeros((60, 60), np.uint8)).save(label_path)
    dataset = dataset_of([image_path], [label_path])
    with pytest.raises(InputError, match="60x60"):
        dataset.load_window(0, Window(40, 50, 0, 20, 0, 20))


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
