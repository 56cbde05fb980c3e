"""KerasCV's layers against NumPy and Pillow, and that no state is behind them."""

import re
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

import keras_lraspp
from harness.image_files import classes, noise
from keras_lraspp.data import keras_cv_transform
from keras_lraspp.errors import InputError

SIZE = (24, 36)
ONLY = {"crop_size": None, "flip": 0.0, "operations": 0}


def results(image, label, count=60, **settings):
    transform = keras_cv_transform(**{**ONLY, **settings})
    seeds = tf.data.Dataset.range(count)
    image, label = tf.constant(image), tf.constant(label)
    return list(
        seeds.map(
            lambda seed: transform(image, label, tf.stack([seed, 2]))
        ).as_numpy_iterator()
    )


def test_flips_half_the_time_image_and_label_together():
    image, label = noise(*SIZE), classes(*SIZE)
    flipped = 0
    for got, labels in results(image, label, flip=0.5):
        mirrored = not (got == image).all()
        np.testing.assert_array_equal(got, image[:, ::-1] if mirrored else image)
        np.testing.assert_array_equal(labels, label[:, ::-1] if mirrored else label)
        flipped += mirrored
    assert 0.3 < flipped / 60 < 0.7


def test_jittered_resize_keeps_pixels_and_labels_together_and_ignores_what_it_adds():
    """Each class has a grey of its own, so a pixel tells its label."""
    label = classes(6, 9, num_classes=5).repeat(4, 0).repeat(4, 1)
    image = np.repeat(label[..., None] * 50 + 10, 3, -1)
    corners = set()
    for got, labels in results(image, label, crop_size=SIZE, scales=(0.5, 2.0)):
        assert got.shape == (*SIZE, 3) and labels.shape == SIZE
        added = (got == 0).all(-1)
        np.testing.assert_array_equal(labels == 255, added)
        rows, columns = np.nonzero(~added)
        corners.add((rows.max() + 1, columns.max() + 1))
        assert added.sum() == added.size - np.prod([rows.max() + 1, columns.max() + 1])
        assert np.mean(got[~added][:, 0] == labels[~added] * 50 + 10) > 0.3
        # A blend of neighbours lies between the greys of those around.
        assert np.abs(got[~added][:, 0] - (labels[~added] * 50.0 + 10)).mean() < 40
    heights = np.array([height for height, _ in corners])
    assert heights.min() < 15 and heights.max() == SIZE[0]


@pytest.mark.backends
def test_color_operations_are_those_of_randaugment():
    """Auto contrast and equalize have no strength, so Pillow makes the same."""
    image, label = noise(*SIZE) // 2 + 40, classes(*SIZE)
    wanted = {
        name: np.asarray(operation(Image.fromarray(image)))
        for name, operation in (
            ("auto contrast", ImageOps.autocontrast),
            ("equalize", ImageOps.equalize),
            ("nothing", lambda picture: picture),
        )
    }
    found = results(image, label, count=120, operations=1)
    seen = [
        name
        for got, _ in found
        for name, pixels in wanted.items()
        if np.abs(got.astype(int) - pixels).max() <= 1
    ]
    # Each of six operations 10/11 of the time, in six: 0.15, and nothing: 0.09.
    for name in wanted:
        assert 0.04 < seen.count(name) / len(found) < 0.27, name
    assert len({got.tobytes() for got, _ in found}) > 60
    for got, labels in found:
        np.testing.assert_array_equal(labels, label)
        assert got.dtype == np.uint8


def test_grid_mask_blackens_squares_and_leaves_labels():
    image, label = np.maximum(noise(64, 64), 1), classes(64, 64)
    masked = []
    for got, labels in results(image, label, grid_mask=0.5, grid_ratios=(0.4, 0.4)):
        black = (got == 0).all(-1)
        np.testing.assert_array_equal(got[~black], image[~black])
        np.testing.assert_array_equal(labels, label)
        masked.append(black.mean())
    masked = np.array(masked)
    assert 0.3 < np.mean(masked > 0) < 0.7
    assert 0.1 < masked[masked > 0].mean() < 0.3  # 0.4 squared is 0.16


def graph_operations(function):
    graph = function.get_concrete_function().graph.as_graph_def()
    nodes = [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
    return {node.op for node in nodes}


def test_no_operation_keeps_a_state():
    transform = keras_cv_transform(crop_size=(8, 8), operations=1, grid_mask=0.5)
    image, label = tf.constant(noise(*SIZE)), tf.constant(classes(*SIZE))
    operations = graph_operations(
        tf.function(lambda: transform(image, label, tf.constant([1, 2])))
    )
    random = {name for name in operations if "Random" in name or "Rng" in name}
    assert len(random) >= 3
    assert all(name.startswith("StatelessRandom") for name in random)
    assert not {name for name in operations if "Variable" in name}


def test_the_precision_of_the_network_changes_nothing():
    image, label = noise(*SIZE), classes(*SIZE)
    settings = {"crop_size": (16, 16), "operations": 1, "grid_mask": 0.5}
    wanted = results(image, label, 10, **settings)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = results(image, label, 10, **settings)
    finally:
        keras.config.set_dtype_policy(policy)
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


def test_a_crop_that_needs_an_ignore_label_without_one():
    image, label = tf.constant(noise(*SIZE)), tf.constant(classes(*SIZE))
    seed = tf.constant([1, 2])
    settings = {"operations": 0, "ignore_label": None}
    enough = keras_cv_transform(crop_size=(8, 8), **settings)
    assert set(np.unique(enough(image, label, seed)[1])) <= set(range(5))
    wanting = keras_cv_transform(crop_size=(99, 99), **settings)
    with pytest.raises(tf.errors.InvalidArgumentError, match="raise its scales"):
        wanting(image, label, seed)


def test_classes_beyond_a_byte():
    label = classes(*SIZE).astype(np.int32) + 70_000
    transform = keras_cv_transform(
        crop_size=(60, 60), operations=0, flip=1.0, ignore_label=-1
    )
    seed = tf.constant([1, 2])
    _, labels = transform(tf.constant(noise(*SIZE)), tf.constant(label), seed)
    assert labels.dtype == tf.int32
    assert set(np.unique(labels)) <= {-1, *np.unique(label)}


def test_without_keras_cv(monkeypatch):
    monkeypatch.setitem(sys.modules, "keras_cv", None)
    with pytest.raises(InputError, match="needs keras-cv, .*; run `pip install"):
        keras_cv_transform()


def test_one_file_imports_it():
    package = Path(keras_lraspp.__file__).parent
    users = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"import keras_cv|import_module\(\"keras_cv", path.read_text())
    ]
    assert users == ["keras_cv.py"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"crop_size": 512}, "crop_size is .* not 512"),
        ({"scales": (2.0, 0.5)}, r"keras_cv_transform.scales are .* not \(2.0, 0.5\)"),
        ({"flip": 3}, "keras_cv_transform.flip is a number from 0 to 1"),
        ({"operations": -1}, "operations is a whole number from 0 to 100, not -1"),
        (
            {"magnitude": 5},
            "keras_cv_transform.magnitude is a number from 0 to 1, not 5",
        ),
        ({"magnitude_deviation": 2}, "magnitude_deviation is a number from 0 to 1"),
        ({"grid_mask": -0.5}, "keras_cv_transform.grid_mask is a number from 0 to 1"),
        ({"grid_ratios": (0.0, 2.0)}, r"grid_ratios\[1\] is a number from 0 to 1"),
    ],
)
def test_settings_outside_their_range(settings, says):
    with pytest.raises(InputError, match=says):
        keras_cv_transform(**settings)
