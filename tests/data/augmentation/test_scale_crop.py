"""Scale and crop against the whole image scaled in NumPy, then cropped."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from harness.image_files import classes, noise
from keras_lraspp.data.augmentation.scale_crop import (
    Span,
    crop_scaled_image,
    crop_scaled_label,
    fill_up,
    random_scale_crop,
)

RECIPE_SCALES = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
SEEDS = 420


def bilinear(image, height, width):
    """Half-pixel centres, no antialias, edges repeated; in float64."""
    rows, columns = image.shape[:2]

    def ends(new, old):
        at = np.clip((np.arange(new) + 0.5) * old / new - 0.5, 0, old - 1)
        low = np.floor(at).astype(int)
        return low, np.minimum(low + 1, old - 1), at - low

    top, bottom, down = ends(height, rows)
    left, right, across = ends(width, columns)
    image = image.astype(np.float64)
    down, across = down[:, None, None], across[:, None]
    scaled = image[top] * (1 - down) + image[bottom] * down
    return scaled[:, left] * (1 - across) + scaled[:, right] * across


def nearest(label, height, width):
    """Source index = floor(index * ratio), in whole numbers."""
    rows = [y * label.shape[0] // height for y in range(height)]
    columns = [x * label.shape[1] // width for x in range(width)]
    return label[rows][:, columns]


def assert_rounded(got, exact):
    """Rounded half up, where float32 may see another half than float64."""
    assert got.dtype == np.uint8
    assert np.abs(got - exact).max() <= 0.5 + 1e-3


# An even side, odd ones whose scaled side is rounded, one pixel.
SIDES = [(24, 36), (23, 37), (5, 64), (1, 1), (1, 50)]


@pytest.mark.parametrize("size", SIDES)
@pytest.mark.parametrize("scale", [*RECIPE_SCALES, 0.3, 1.1])
def test_a_crop_is_a_part_of_the_whole_scaled(size, scale):
    image, label = noise(*size), classes(*size, num_classes=256)
    step = Fraction(scale).limit_denominator(1000)
    height, width = (max(round(side * scale), 1) for side in size)
    exact, labels = bilinear(image, height, width), nearest(label, height, width)
    crops = itertools.product(
        {0, height // 3, height - 1}, {1, height}, {0, width // 2, width - 1}, {1, 7}
    )
    for top, tall, left, wide in crops:
        tall, wide = min(tall, height - top), min(wide, width - left)
        rows = Span(size[0], height, top, tall)
        columns = Span(size[1], width, left, wide)
        steps = tf.constant([step.numerator, step.denominator])
        where = np.s_[top : top + tall, left : left + wide]
        assert_rounded(
            crop_scaled_image(image, rows, columns, steps).numpy(), exact[where]
        )
        np.testing.assert_array_equal(
            crop_scaled_label(label, rows, columns), labels[where]
        )


def test_the_whole_scaled_is_tensorflows():
    image = noise(23, 37)
    wanted = tf.image.resize(image, (46, 74), "bilinear", antialias=False)
    rows, columns = Span(23, 46, 0, 46), Span(37, 74, 0, 74)
    got = crop_scaled_image(image, rows, columns, tf.constant([2, 1])).numpy()
    assert_rounded(got, wanted.numpy())


@pytest.mark.parametrize("ignore_label", [255, 11])
def test_row_21_a_crop_larger_than_the_image_is_filled_up(ignore_label):
    image, label = noise(5, 9), classes(5, 9)
    got, labels = fill_up(
        tf.constant(image), tf.constant(label), crop_size=(8, 10), channels=3,
        ignore_label=ignore_label,
    )  # fmt: skip
    wanted = np.full((8, 10, 3), 127)  # 127.5 cut to a byte
    wanted[:5, :9] = image
    wanted_labels = np.full((8, 10), ignore_label)
    wanted_labels[:5, :9] = label
    np.testing.assert_array_equal(got, wanted)
    np.testing.assert_array_equal(labels, wanted_labels)


def test_row_21_of_a_large_crop_only_the_scaled_image_counts():
    image, label = noise(8, 8), classes(8, 8)
    crop = dict(crop_size=(7, 9), scales=(0.5,), ignore_label=255)
    got, labels = random_scale_crop(image, label, tf.constant([1, 2]), **crop)
    assert got.shape == (7, 9, 3) and labels.shape == (7, 9)
    assert_rounded(got[:4, :4].numpy(), bilinear(image, 4, 4))
    np.testing.assert_array_equal(labels[:4, :4], label[::2, ::2])
    outside = np.ones((7, 9), bool)
    outside[:4, :4] = False
    assert (labels.numpy()[outside] == 255).all() and (
        got.numpy()[outside] == 127
    ).all()


@pytest.mark.parametrize("mapped", [False, True])
def test_row_21_without_ignore_label_a_large_crop_is_refused(mapped):
    def crop(seed):
        return random_scale_crop(
            tf.constant(noise(8, 8)), tf.constant(classes(8, 8)), tf.stack([seed, 0]),
            crop_size=(8, 9), scales=(1.0,), ignore_label=None,
        )  # fmt: skip

    says = "crop of 8x9 is larger than a scaled image .*; set ignore_label, or lower"
    with pytest.raises(tf.errors.InvalidArgumentError, match=says):
        if mapped:
            next(iter(tf.data.Dataset.range(1).map(crop)))
        else:
            crop(0)


def test_without_ignore_label_a_crop_that_fits_is_fine():
    image, label = noise(8, 8), classes(8, 8)
    crop = dict(crop_size=(8, 8), scales=(1.0,), ignore_label=None)
    got, labels = random_scale_crop(image, label, tf.constant([1, 2]), **crop)
    np.testing.assert_array_equal(got, image)
    np.testing.assert_array_equal(labels, label)


def crops_of(image, label, **settings):
    """A crop of every seed: images and labels, stacked."""

    image, label = tf.constant(image), tf.constant(label)

    @tf.function
    def crop(seed):
        return random_scale_crop(image, label, tf.stack([seed, 3]), **settings)

    images, labels = zip(*(crop(seed) for seed in tf.range(SEEDS)), strict=True)
    return np.stack(images), np.stack(labels)


def test_every_scale_and_offset_comes_with_its_pixels():
    """Labels that say where they are from give the scale and the offset away."""
    side, length = 40, 16
    image, grid = noise(side, side), np.arange(side * side).reshape(side, side)
    images, labels = crops_of(
        image, grid.astype(np.int32), crop_size=(length, length), scales=RECIPE_SCALES
    )
    places = {}
    for scale in RECIPE_SCALES:
        scaled = round(side * scale)
        for offset in range(scaled - length + 1):
            sources = np.arange(offset, offset + length) * side // scaled
            places[tuple(sources)] = scale, offset
    whole = {
        s: bilinear(image, round(side * s), round(side * s)) for s in RECIPE_SCALES
    }
    seen = []
    for crop, label in zip(images, labels, strict=True):
        scale, top = places[tuple(label[:, 0] // side)]
        same_scale, left = places[tuple(label[0] % side)]
        assert same_scale == scale
        where = np.s_[top : top + length, left : left + length]
        assert_rounded(crop, whole[scale][where])
        seen.append(scale)
    counts = [seen.count(scale) for scale in RECIPE_SCALES]
    assert min(counts) > SEEDS / 7 * 0.6 and max(counts) < SEEDS / 7 * 1.4


def test_offsets_are_uniform_and_independent():
    grid = np.arange(24 * 24, dtype=np.int32).reshape(24, 24)
    _, labels = crops_of(noise(24, 24), grid, crop_size=(9, 13), scales=(1.0,))
    top, left = labels[:, 0, 0] // 24, labels[:, 0, 0] % 24
    assert set(top) == set(range(16)) and set(left) == set(range(12))
    assert top.mean() == pytest.approx(7.5, abs=0.7)
    assert left.mean() == pytest.approx(5.5, abs=0.5)
    assert abs(np.corrcoef(top, left)[0, 1]) < 0.15


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_the_same_in_tf_data_as_eagerly(dtype):
    image = tf.constant(noise(11, 15))
    label = tf.constant(classes(11, 15).astype(dtype))

    def crop(seed):
        return random_scale_crop(
            image, label, tf.stack([seed, 1]), crop_size=(8, 8), scales=RECIPE_SCALES
        )

    mapped = tf.data.Dataset.range(8).map(crop)
    assert mapped.element_spec[0] == tf.TensorSpec((8, 8, 3), tf.uint8)
    assert mapped.element_spec[1] == tf.TensorSpec((8, 8), dtype)
    for seed, (got, labels) in enumerate(mapped):
        wanted, wanted_labels = crop(tf.constant(seed, tf.int64))
        np.testing.assert_array_equal(got, wanted)
        np.testing.assert_array_equal(labels, wanted_labels)
