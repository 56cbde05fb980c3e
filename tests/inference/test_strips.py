"""Labels of large images, made by tiles and strips, with those of whole images."""

import keras
import numpy as np
import pytest

from harness.pixel_model import pixel_model, random_images
from harness.trained_like import trained_like
from keras_lraspp.inference import functions, label_function, logit_function, strips
from keras_lraspp.inference.graph_split import split_graph


@pytest.fixture
def small_tiles(monkeypatch):
    """Makes every image large, and tiles and strips small."""
    monkeypatch.setattr(functions, "LARGE_IMAGE", 0)
    monkeypatch.setattr(strips, "_NUMBERS", 2**13)
    monkeypatch.setattr(strips, "_COLUMNS", 64)


def assert_same_labels(model, *shape: int) -> None:
    """Compares with the arg-max of whole logits, within float32 where two are equal."""
    images = random_images(*shape, channels=model.input_shape[-1])
    found = label_function(model)(images)
    logits = logit_function(model)(images)
    np.testing.assert_array_equal(found.shape, logits.shape[:3])
    ordered = np.sort(logits, -1)
    apart = ordered[..., -1] - ordered[..., -2] > 1e-4
    assert apart.mean() > 0.99
    assert len(np.unique(found)) > 1
    np.testing.assert_array_equal(found[apart], logits.argmax(-1)[apart])


@pytest.mark.backends
def test_labels_are_those_of_the_whole_image(small_tiles, monkeypatch):
    model, images = trained_like(seed=2), random_images(1, 101, 130)
    found = label_function(model)(images)
    monkeypatch.setattr(functions, "LARGE_IMAGE", 2**40)
    expected = label_function(model)(images)
    assert len(np.unique(found)) > 1
    if keras.backend.backend() == "tensorflow":  # rounds alike
        np.testing.assert_array_equal(found, expected)
    assert (found == expected).mean() > 0.9998


@pytest.mark.slow
@pytest.mark.backends
@pytest.mark.parametrize("size", [(256, 320), (199, 301)])
@pytest.mark.parametrize(
    "settings",
    [
        {"backbone": "large", "output_stride": 32},
        {"family": "tensorflow", "backbone": "large"},
        {"family": "fastseg", "output_stride": 16},
        {"family": "torchvision", "output_stride": 16},
        {"family": "mmseg", "num_classes": 1},
        {"input_shape": (None, None, 4)},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_every_family(small_tiles, settings, size):
    model = trained_like(**settings)
    if model.num_classes == 1:  # so that both labels are there
        bias = model.get_layer("head_classes_conv").bias
        logits = logit_function(model)(random_images(2, *size))
        bias.assign(bias - np.median(logits[..., 1]))
    assert_same_labels(model, 2, *size)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["paddleseg", "fastseg"])
def test_the_large_kernel(small_tiles, family):
    model = trained_like(family=family, pooling="large_kernel", output_stride=8)
    assert_same_labels(model, 1, 411, 500)


@pytest.mark.parametrize("given, wanted", [(16, 64), (17, 66), (5, 129), (30, 30)])
def test_rows_are_blended_as_tensorflow_resizes(given, wanted):
    tf = pytest.importorskip("tensorflow")
    features = np.random.default_rng(0).normal(size=(2, given, 9, 4)).astype("float32")
    source = strips._sources(np.arange(wanted), given, wanted)
    blended = strips._blend(tf.constant(features), *source, np.int32(0))
    fused = strips._fused_blend(tf.constant(features), *source, tf.constant(0))
    expected = tf.image.resize(features, (wanted, 9))
    np.testing.assert_array_equal(blended, expected)
    np.testing.assert_array_equal(fused, expected)


@pytest.mark.parametrize("side", [40, 41, 47, 250, 1023])
@pytest.mark.parametrize("size, around, unit", [(32, 8, 4), (1, 0, 1), (64, 32, 32)])
def test_tiles_cover_a_side_with_what_is_around_them(side, size, around, unit):
    tiles = strips._tiles(side, size, around, unit)
    assert tiles[0].start == 0 and tiles[-1].end == side
    for tile, following in zip(tiles, [*tiles[1:], None], strict=True):
        assert following is None or tile.end == following.start
        assert tile.start - tile.first >= around or tile.first == 0
        assert tile.after - tile.end >= around or tile.after == side
        assert tile.first % unit == 0 and (side - tile.after) % unit == 0
    assert len({tile.after - tile.first for tile in tiles}) == 1


def test_other_models_are_left_alone():
    assert split_graph(pixel_model()) is None
    pixels = keras.Input((None, None, 3))
    model = trained_like()
    assert split_graph(keras.Model(pixels, model(pixels))) is not None
    softmax = keras.layers.Softmax()(model(pixels))
    assert split_graph(keras.Model(pixels, softmax)) is None
