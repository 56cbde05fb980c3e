"""What transforms do to images that are not RGB."""

import numpy as np
import pytest
import tensorflow as tf

from harness.image_files import classes, noise
from keras_lraspp.data import (
    blur_transform,
    keras_cv_transform,
    recipe_transform,
    rotation_transform,
    scale_aspect_transform,
    transforms_in_order,
)
from keras_lraspp.data.augmentation.color import random_color

SIZE = (24, 36)
ALWAYS = {"probability": 1.0, "hue": 60.0}


def colored(image, seed, **settings):
    seed = tf.constant([seed, 7])
    got, _ = random_color(tf.constant(image), None, seed, **{**ALWAYS, **settings})
    return got.numpy()


def test_a_grey_image_gets_what_it_gets_as_rgb():
    grey, changed = noise(*SIZE)[..., :1], 0
    for seed in range(12):
        got = colored(grey, seed, probability=0.5)
        as_rgb = colored(np.repeat(grey, 3, -1), seed, probability=0.5)
        np.testing.assert_array_equal(np.repeat(got, 3, -1), as_rgb)
        changed += not np.array_equal(got, grey)
    assert 3 < changed < 12


def test_of_four_channels_the_colours_are_the_first_three():
    rgb = noise(*SIZE)
    rgba = np.concatenate([rgb, 255 - rgb[..., :1]], axis=-1)
    for seed in range(5):
        got = colored(rgba, seed)
        np.testing.assert_array_equal(got[..., :3], colored(rgb, seed))
        np.testing.assert_array_equal(got[..., 3], rgba[..., 3])
        assert (got[..., :3] != rgb).any()


@pytest.mark.parametrize("channels", [2, 5, 6])
def test_other_channels_have_no_colours(channels):
    image = np.repeat(noise(*SIZE), 2, axis=-1)[..., :channels]
    np.testing.assert_array_equal(colored(image, 3), image)


RECIPE = {"crop_size": (20, 30), "color": 0.0}
BALANCED = recipe_transform(**RECIPE, max_class_share=0.5)
IN_ORDER = transforms_in_order(
    steps=[
        lambda **_: rotation_transform(probability=1.0, expand=True),
        lambda **_: recipe_transform(**RECIPE),
        lambda **_: scale_aspect_transform(),
        lambda **_: blur_transform(probability=1.0),
    ]
)
KERAS_CV = keras_cv_transform(crop_size=(20, 30), operations=0, grid_mask=1.0)


@pytest.mark.parametrize(
    ("transform", "channels"),
    [
        *((recipe_transform(**RECIPE), channels) for channels in (1, 4, 6)),
        (BALANCED, 1),
        (IN_ORDER, 6),
        (KERAS_CV, 6),
    ],
    ids=["grey", "four", "six", "balanced", "in order", "keras_cv"],
)
def test_geometry_is_the_same_for_each_channel(transform, channels):
    """Channels of any number, against the same picture's as RGB."""
    rgb, label = noise(*SIZE), classes(*SIZE)
    image = np.concatenate([rgb, 255 - rgb], axis=-1)[..., :channels]

    def applied(pixels):
        samples = tf.data.Dataset.from_tensors((pixels, label))
        got = samples.map(lambda image, label: transform(image, label, [2, 9]))
        assert got.element_spec[0].shape == (20, 30, pixels.shape[-1])
        return next(got.as_numpy_iterator())

    got, labels = applied(image)
    expected, expected_labels = applied(rgb)
    np.testing.assert_array_equal(labels, expected_labels)
    shared = min(channels, 3)
    np.testing.assert_array_equal(got[..., :shared], expected[..., :shared])
    if channels == 6:
        others, _ = applied(image[..., 3:])
        np.testing.assert_array_equal(got[..., 3:], others)


def test_keras_cvs_colours():
    rgb, label = noise(*SIZE), classes(*SIZE)
    transform = keras_cv_transform(crop_size=None, flip=0.0, magnitude=0.6)

    def applied(pixels, seed):
        return transform(pixels, label, tf.constant([seed, 1]))[0].numpy()

    grey, six = rgb[..., :1], np.concatenate([rgb, rgb], axis=-1)
    for seed in range(3):
        np.testing.assert_array_equal(applied(six, seed), six)
        got = applied(six[..., :4], seed)
        np.testing.assert_array_equal(got[..., :3], applied(rgb, seed))
        np.testing.assert_array_equal(got[..., 3], six[..., 3])
        as_rgb = applied(np.repeat(grey, 3, -1), seed)
        np.testing.assert_array_equal(applied(grey, seed), as_rgb[..., :1])
