"""Colour operations against Pillow, byte for byte."""

import itertools

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageEnhance

from harness.image_files import noise
from keras_lraspp.data.augmentation import color

ENHANCE = {
    "brightness": (color.brightness, ImageEnhance.Brightness),
    "contrast": (color.contrast, ImageEnhance.Contrast),
    "saturation": (color.saturation, ImageEnhance.Color),
}
FACTORS = (0.0, 0.3, 0.5, 0.77, 1.0, 1.1, 1.37, 1.5, 2.0)
SHIFTS = (-18.0, -7.5, -1.0, -0.2, 0.0, 0.2, 1.0, 9.9, 17.99)
SEEDS = 300


def every_kind_of_color():
    """Noise, grey, black and white, pure colours and every pair of two channels."""
    ramp = np.arange(0, 256, 5, dtype=np.uint8)
    pairs = np.stack(np.meshgrid(ramp, ramp), -1)
    planes = [np.insert(pairs, place, 0, -1) for place in range(3)]
    grey = np.repeat(np.resize(ramp, pairs.shape[:2])[..., None], 3, -1)
    return np.concatenate([*planes, 255 - planes[0], grey, noise(200, len(ramp))])


def applied(operation, image, amount):
    planes = operation(color.to_planes(tf.constant(image)), tf.constant(amount))
    return color.to_image(planes).numpy()


def pillow_hue(image, shift):
    """By way of Pillow's HSV image, whose hue is a byte that wraps around."""
    hsv = np.array(Image.fromarray(image).convert("HSV"))
    hsv[..., 0] = (hsv[..., 0].astype(int) + int(np.floor(shift))) % 256
    return np.asarray(Image.frombytes("HSV", image.shape[1::-1], hsv).convert("RGB"))


def pillow_enhance(image, name, factor):
    enhancer = ENHANCE[name][1](Image.fromarray(image))
    return np.asarray(enhancer.enhance(float(np.float32(factor))))


def test_planes_and_back():
    image = every_kind_of_color()
    np.testing.assert_array_equal(color.to_image(color.to_planes(image)), image)


@pytest.mark.parametrize("name", ENHANCE)
@pytest.mark.parametrize("factor", FACTORS)
def test_enhancement_is_pillows(name, factor):
    image = every_kind_of_color()
    got = applied(ENHANCE[name][0], image, np.float32(factor))
    np.testing.assert_array_equal(got, pillow_enhance(image, name, factor))


@pytest.mark.parametrize("level", [(10, 11), (10, 11, 11), (0, 255), (254, 255, 255)])
def test_the_mean_of_contrast_is_rounded_as_pillows(level):
    image = np.repeat(np.array([level], np.uint8)[..., None], 3, -1)
    got = applied(color.contrast, image, np.float32(0.0))
    np.testing.assert_array_equal(got, pillow_enhance(image, "contrast", 0.0))


@pytest.mark.parametrize("shift", SHIFTS)
def test_hue_is_pillows(shift):
    image = every_kind_of_color()
    got = applied(color.shift_hue, image, np.float32(shift))
    np.testing.assert_array_equal(got, pillow_hue(image, shift))


def all_orders(image, factor):
    """What each choice and order of the four operations makes of an image."""
    operations = {
        name: lambda image, name=name: pillow_enhance(image, name, factor)
        for name in ENHANCE
    }
    operations["hue"] = lambda image: pillow_hue(image, 0)
    results = {}
    for count in range(5):
        for names in itertools.permutations(operations, count):
            result = image
            for name in names:
                result = operations[name](result)
            results.setdefault(result.tobytes(), names)
    return results


def test_each_operation_half_the_time_in_any_order():
    """Every result is one of the 65 that Pillow computes, all as likely as stated."""
    image = noise(12, 12)
    names_of = all_orders(image, 1.25)
    assert len(names_of) == 65

    @tf.function
    def jittered(seed):
        seed = tf.stack([seed, 7])
        return color.random_color(image, 0, seed, factors=(1.25, 1.25), hue=0.0)[0]

    chosen = [names_of[jittered(seed).numpy().tobytes()] for seed in tf.range(SEEDS)]
    for name in (*ENHANCE, "hue"):
        assert 0.4 < np.mean([name in names for names in chosen]) < 0.6
        first = np.mean([names[0] == name for names in chosen if names])
        assert 0.17 < first < 0.33
    assert 0.02 < np.mean([names == () for names in chosen]) < 0.12


def jitters_of(image, **settings):
    """The image with every operation applied, for many seeds: float64."""

    @tf.function
    def jittered(seed):
        seed = tf.stack([seed, 7])
        return color.random_color(image, 0, seed, probability=1.0, **settings)[0]

    return np.stack([jittered(seed) for seed in tf.range(SEEDS)]).astype(float)


def test_factors_are_uniform():
    """The mean of two greys follows brightness, their distance both factors."""
    image = np.full((2, 2, 3), 60, np.uint8)
    image[0] = 140
    results = jitters_of(image, factors=(0.5, 1.5), hue=18.0)
    brightness = results.mean((1, 2, 3)) / 100
    contrast = (results[:, 0] - results[:, 1]).mean((1, 2)) / (80 * brightness)
    for factor in (brightness, contrast):
        assert 0.48 < factor.min() < 0.53 and 1.47 < factor.max() < 1.52
        assert 0.95 < factor.mean() < 1.05
        assert np.std(factor) == pytest.approx(1 / 12**0.5, rel=0.1)
    assert abs(np.corrcoef(brightness, contrast)[0, 1]) < 0.15


def test_hue_shifts_are_uniform():
    image = np.full((1, 1, 3), (0, 255, 255), np.uint8)  # hue 127
    results = jitters_of(image, factors=(1.0, 1.0), hue=18.0).astype(np.uint8)
    hsv = np.asarray(Image.fromarray(results[:, 0]).convert("HSV"))
    shifts = hsv[:, 0, 0].astype(int) - 127
    # Back and forth, Pillow's whole numbers lose up to one level, some hues always.
    assert -19 <= shifts.min() <= -17 and 16 <= shifts.max() <= 18
    assert len(set(shifts)) > 25 and abs(shifts.mean() + 0.5) < 1.5


def test_the_same_in_tf_data_as_eagerly():
    image, label = noise(9, 7), np.zeros((9, 7), np.uint8)

    def jittered(seed):
        return color.random_color(image, label, tf.stack([seed, 5]))[0]

    mapped = tf.data.Dataset.range(12).map(jittered)
    eager = [jittered(seed).numpy() for seed in tf.range(12, dtype=tf.int64)]
    np.testing.assert_array_equal(list(mapped), eager)
    assert len({result.tobytes() for result in eager}) > 9
