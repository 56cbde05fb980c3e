"""Segmenter: however an image comes, the labels are the same."""

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp import Segmenter
from keras_lraspp.data.label_maps import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference import overlay

pytestmark = pytest.mark.backends

CLASSES = ClassSet(("a", "b", "c"), ((9, 8, 7), (200, 0, 0), (0, 0, 200)))


def test_files_pictures_arrays_and_batches(tmp_path):
    model = pixel_model(3)
    segmenter = Segmenter(model, CLASSES)
    images = random_images(2, 13, 22)
    expected = expected_labels(model, images)
    Image.fromarray(images[0]).save(tmp_path / "image.png")
    for image in (
        tmp_path / "image.png",
        str(tmp_path / "image.png"),
        Image.fromarray(images[0]),
        images[0],
    ):
        np.testing.assert_array_equal(segmenter(image), expected[0])
    np.testing.assert_array_equal(segmenter(images), expected)


def test_pictures_are_turned_upright_and_made_rgb(tmp_path):
    model = pixel_model(3)
    segmenter = Segmenter(model)
    image = random_images(10, 16)
    turned = Image.fromarray(image).transpose(Image.Transpose.ROTATE_90)
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned clockwise before it is shown
    turned.save(tmp_path / "turned.png", exif=exif)
    expected = expected_labels(model, image)
    np.testing.assert_array_equal(segmenter(tmp_path / "turned.png"), expected)
    with Image.open(tmp_path / "turned.png") as picture:
        np.testing.assert_array_equal(segmenter(picture), expected)
    grey = Image.fromarray(image[..., 0])
    expected = expected_labels(model, image[..., :1].repeat(3, -1))
    np.testing.assert_array_equal(segmenter(grey), expected)


def test_overlay_uses_the_classes_colours():
    model = pixel_model(3)
    image = random_images(20, 20)
    labels = expected_labels(model, image)
    plain = Segmenter(model, CLASSES).overlay(image, opacity=1.0, borders=False)
    np.testing.assert_array_equal(plain, np.array(CLASSES.palette)[labels])
    np.testing.assert_array_equal(
        Segmenter(model, CLASSES).overlay(image),
        overlay(image, labels, CLASSES.palette),
    )


def test_faults():
    with pytest.raises(InputError, match="4 classes, but 3"):
        Segmenter(pixel_model(4), CLASSES)
    segmenter = Segmenter(pixel_model(4))
    assert segmenter.classes.names[3] == "class 3"
    with pytest.raises(InputError, match="nowhere.jpg"):
        segmenter("nowhere.jpg")
    with pytest.raises(InputError, match="float64"):
        segmenter(np.zeros((4, 4, 3)))
    with pytest.raises(InputError, match="mode I;16"):
        segmenter(Image.fromarray(np.full((4, 4), 1000, np.uint16)))


def test_files_of_16_bits_keep_the_high_byte(tmp_path):
    model = pixel_model(4)
    image = random_images(9, 9)[..., 0]
    high = image.astype(np.uint16) * 256 + 77
    Image.fromarray(high).save(tmp_path / "deep.png")
    expected = expected_labels(model, image[..., None].repeat(3, -1))
    np.testing.assert_array_equal(Segmenter(model)(tmp_path / "deep.png"), expected)
