"""Segmenter: however an image comes, the labels are the same."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial

import keras
import numpy as np
import pytest
from PIL import Image

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp import Segmenter
from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference import InferenceOptions
from keras_lraspp.legends import legend
from keras_lraspp.prediction.segmentation import Segmentation
from keras_lraspp.visualize import overlay

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


def test_generators_are_taken_one_by_one():
    model, taken = pixel_model(3), []
    segmenter = Segmenter(model)

    def pictures():
        for seed in range(3):
            taken.append(seed)
            yield random_images(6, 5, seed=seed)

    results = segmenter(pictures())
    assert taken == []
    np.testing.assert_array_equal(
        next(results), expected_labels(model, random_images(6, 5, seed=0))
    )
    assert taken == [0]
    assert len([*results]) == 2 and taken == [0, 1, 2]
    assert [soft.shape for soft in segmenter.probabilities(pictures())] == 3 * [
        (6, 5, 3)
    ]
    assert isinstance(segmenter.predict([*pictures()])[0], Segmentation)
    assert [*segmenter(iter([]))] == []


def test_the_image_that_is_wrong_has_a_number():
    images = [random_images(6, 5), random_images(6, 5) / 255]
    with pytest.raises(InputError, match="^Image 1: .*float64"):
        Segmenter(pixel_model(3))(images)
    found = Segmenter(pixel_model(3)).predict(iter(images))
    assert next(found).labels.shape == (6, 5)
    with pytest.raises(InputError, match="^Image 1: .*float64"):
        next(found)


def test_results_are_named_after_their_files(tmp_path):
    segmenter, image = Segmenter(pixel_model(3), CLASSES), random_images(6, 5)
    for name in ("a.png", "a.bmp", "b.c.png"):
        Image.fromarray(image).save(tmp_path / name)
    paths = [tmp_path / "a.png", tmp_path / "a.bmp", tmp_path / "b.c.png"]
    names = [result.name for result in segmenter.predict([*paths, image])]
    assert names == ["a", "a_000001", "b.c", "image_000003"]
    assert segmenter.predict(paths[2]).name == "b.c"
    assert segmenter.predict(Image.open(paths[0])).name == "a"
    assert segmenter.predict(image).name == "image"
    batch = segmenter.predict(np.stack([image, image]), probabilities=True)
    assert [result.name for result in batch] == ["image_000000", "image_000001"]
    labels = expected_labels(segmenter.model, image)
    for result in batch:
        np.testing.assert_array_equal(result.labels, labels)
        assert result.class_set == CLASSES and result.probabilities.shape == (6, 5, 3)


def one_channel():
    model = pixel_model(1, seed=2)
    kernel, bias = model.get_weights()
    logits = random_images(13, 22).astype(int) @ kernel[0, 0]
    model.set_weights([kernel, bias * 0 - np.median(logits) - 0.5])
    return model


def test_one_channel_is_a_foreground():
    model, image = one_channel(), random_images(13, 22)
    kernel, bias = model.get_weights()
    expected = (image.astype(int) @ kernel[0, 0] + bias)[..., 0] > 0
    assert 0.2 < expected.mean() < 0.8
    segmenter = Segmenter(model, ["car"])
    assert segmenter.classes == (("background", "car"), ((0, 0, 0), (128, 0, 0)))
    np.testing.assert_array_equal(segmenter(image), expected)
    soft = segmenter.probabilities(image)
    assert soft.shape == (13, 22, 2)
    np.testing.assert_array_equal(soft[..., 1] > 0.5, expected)
    result = segmenter.predict(image)
    assert {row.name for row in result.classes} == {"background", "car"}
    assert Segmenter(model).classes.names == ("background", "foreground")
    assert Segmenter(model, ["no", "yes"]).classes.names == ("no", "yes")
    green = ClassSet(("car",), ((0, 255, 0),))
    assert Segmenter(model, green).classes.palette == ((0, 0, 0), (0, 255, 0))
    with pytest.raises(InputError, match="predicts 2 classes, but 3"):
        Segmenter(model, CLASSES)
    with pytest.raises(InputError, match="predicts 2 classes, but 1"):
        Segmenter(pixel_model(2), ["car"])


def test_from_logits_reaches_the_model():
    pixels = keras.Input((None, None, 3))
    hidden = keras.layers.Lambda(keras.ops.sigmoid)(one_channel()(pixels))
    hidden, image = keras.Model(pixels, hidden), random_images(13, 22)
    with pytest.raises(InputError, match="give from_logits=True or from_logits=False"):
        Segmenter(hidden)
    segmenter = Segmenter(hidden, from_logits=False)
    np.testing.assert_array_equal(segmenter(image), Segmenter(one_channel())(image))
    with pytest.raises(InputError, match="from_logits is for a keras.Model"):
        Segmenter("os8_global_cityscapes", from_logits=True)


def test_a_segmenter_is_pickled_and_copied():
    image = random_images(13, 22)
    segmenter = Segmenter(one_channel(), ["car"], flip=True)
    expected = segmenter(image)
    for same in (pickle.loads(pickle.dumps(segmenter)), copy.deepcopy(segmenter)):
        assert same.classes == segmenter.classes
        assert same.options == segmenter.options
        assert same.model is not segmenter.model
        np.testing.assert_array_equal(same(image), expected)
    assert len(pickle.dumps(segmenter)) < 100_000  # nothing that is compiled


@pytest.mark.slow
def test_a_segmenter_in_another_process():
    images = [random_images(13, 22, seed=seed) for seed in range(3)]
    segmenter = Segmenter(one_channel())
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        results = [*pool.map(segmenter.predict, images)]
    for result, image in zip(results, images, strict=True):
        np.testing.assert_array_equal(result.labels, segmenter(image))


def test_a_segmenter_in_threads():
    model = pixel_model(3)
    segmenter = Segmenter(model)  # that none has used before
    images = [random_images(5 + seed % 3, 8, seed=seed) for seed in range(12)]
    with ThreadPoolExecutor(4) as pool:
        for labels, image in zip(pool.map(segmenter, images), images, strict=True):
            np.testing.assert_array_equal(labels, expected_labels(model, image))
