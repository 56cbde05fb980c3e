"""Segmenter: however an image comes, the labels are the same."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp import Segmenter
from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference import InferenceOptions
from keras_lraspp.visualize import legend, overlay

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


def test_a_list_of_any_sizes_gives_a_list(tmp_path):
    model = pixel_model(3)
    segmenter = Segmenter(model)
    images = [random_images(9, 5), random_images(6, 14), random_images(2, 6, 14)]
    Image.fromarray(images[1]).save(tmp_path / "image.png")
    found = segmenter([images[0], tmp_path / "image.png", images[2]])
    assert isinstance(found, list) and len(found) == 3
    for labels, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(labels, expected_labels(model, image))
    shapes = [soft.shape for soft in segmenter.probabilities(tuple(images))]
    assert shapes == [(9, 5, 3), (6, 14, 3), (2, 6, 14, 3)]
    assert segmenter([]) == []


def test_options_and_probabilities():
    model, image = conv_model(3), random_images(11, 14)
    segmenter = Segmenter(
        model,
        ["a", "b", "c"],
        flip=True,
        scales=[0.5, 1],
        sliding_window=[6, 8],
        stride=[4, 6],
    )
    assert segmenter.model is model
    assert segmenter.classes.names == ("a", "b", "c")
    assert segmenter.options == InferenceOptions(
        flip=True, scales=(0.5, 1.0), sliding_window=(6, 8), stride=(4, 6)
    )
    logits = averaged(
        partial(conv_logits, model),
        image[None],
        flip=True,
        scales=(0.5, 1.0),
        window=(6, 8),
        stride=(4, 6),
    )[0]
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    expected = powers / powers.sum(-1, keepdims=True)
    found = segmenter.probabilities(image)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-4)
    np.testing.assert_array_equal(segmenter(image), logits.argmax(-1))


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


def test_a_legend_stands_below_the_overlay():
    model, image = pixel_model(3), random_images(20, 200)
    segmenter = Segmenter(model, CLASSES)
    plain, named = segmenter.overlay(image), segmenter.overlay(image, legend=True)
    np.testing.assert_array_equal(named[:20, :200], plain)
    strip = legend(
        segmenter(image), CLASSES.names, CLASSES.palette, width=200, font_size=13
    )
    np.testing.assert_array_equal(named[20:], strip)
    assert len(strip) > 10


def test_the_classes_may_be_named():
    assert Segmenter(pixel_model(11), "camvid").classes == CLASS_SETS["camvid"]
    with pytest.raises(InputError, match="kitti"):
        Segmenter(pixel_model(11), "kitti")


def test_another_runtime_is_as_good():
    class Constant:
        num_classes, smallest_side, options = 3, 1, InferenceOptions(flip=True)

        def labels(self, images):
            return np.full(images.shape[:3], 2, np.uint8)

        def probabilities(self, images):
            return np.full((*images.shape[:3], 3), 1 / 3, np.float32)

    segmenter = Segmenter(Constant(), CLASSES)
    assert segmenter.model is None and segmenter.options.flip
    assert (segmenter(random_images(4, 5)) == 2).all()
    assert segmenter.probabilities(random_images(2, 4, 5)).shape == (2, 4, 5, 3)
    assert segmenter.overlay(random_images(4, 5)).shape == (4, 5, 3)


def test_faults():
    with pytest.raises(InputError, match="4 classes, but 3"):
        Segmenter(pixel_model(4), CLASSES)
    segmenter = Segmenter(pixel_model(4))
    assert segmenter.classes.names[3] == "class 3"
    with pytest.raises(InputError, match="nowhere.jpg"):
        segmenter("nowhere.jpg")
    with pytest.raises(InputError, match="float64"):
        segmenter(np.zeros((4, 4, 3)))
    with pytest.raises(InputError, match="of one image"):
        segmenter.overlay(random_images(2, 4, 4))
    with pytest.raises(InputError, match="needs a sliding_window"):
        Segmenter(pixel_model(4), stride=(3, 3))


def test_files_of_16_bits_keep_the_high_byte(tmp_path):
    model = pixel_model(4)
    image = random_images(9, 9)[..., 0]
    high = image.astype(np.uint16) * 256 + 77
    Image.fromarray(high).save(tmp_path / "deep.png")
    expected = expected_labels(model, image[..., None].repeat(3, -1))
    np.testing.assert_array_equal(Segmenter(model)(tmp_path / "deep.png"), expected)
    for picture in (Image.open(tmp_path / "deep.png"), Image.fromarray(high)):
        np.testing.assert_array_equal(Segmenter(model)(picture), expected)
