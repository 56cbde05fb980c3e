"""The stretched part against Pillow and NumPy, and what parts are chosen."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from harness.image_files import classes, noise
from keras_lraspp.data import scale_aspect_transform
from keras_lraspp.data.augmentation import geometry as scale_aspect
from keras_lraspp.errors import InputError


def test_a_part_is_drawn_out_to_the_whole():
    image, label = noise(24, 40), classes(24, 40)
    got, labels = scale_aspect.stretch(image, label, tf.constant([5, 6, 12, 31]))
    part = Image.fromarray(image[5:17, 6:37]).resize((40, 24), Image.BILINEAR)
    # Enlarging, Pillow's filter is plain bilinear interpolation.
    assert np.abs(got.numpy().astype(int) - np.asarray(part)).max() <= 1
    rows, columns = 5 + np.arange(24) * 12 // 24, 6 + np.arange(40) * 31 // 40
    np.testing.assert_array_equal(labels, label[np.ix_(rows, columns)])


def test_the_whole_stays_as_it_is():
    image, label = noise(7, 9), classes(7, 9)
    transform = scale_aspect_transform(areas=(1.0, 1.0), aspects=(1.0, 1.0))
    got, labels = transform(image, label, tf.constant([1, 2]))
    np.testing.assert_array_equal(got, image)
    np.testing.assert_array_equal(labels, label)


def parts(size, count=300, **ranges):
    choose = tf.function(
        lambda seed: scale_aspect.random_part(
            tf.constant(size), tf.stack([seed, 3]), **ranges
        )
    )
    return np.array([choose(seed) for seed in tf.range(count)])


def test_areas_and_aspects_are_spread_as_said():
    found = parts((1000, 2000), areas=(0.2, 0.5), aspects=(0.5, 2.0))
    heights, widths = found[:, 2] / 1000, found[:, 3] / 2000
    area, aspect = heights * widths, np.log2(widths / heights)
    assert 0.199 < area.min() < 0.22 and 0.48 < area.max() < 0.501
    assert 0.33 < area.mean() < 0.37
    assert -1.01 < aspect.min() < -0.95 and 0.95 < aspect.max() < 1.01
    assert abs(aspect.mean()) < 0.1 and 0.5 < aspect.std() < 0.65


def test_parts_lie_inside_and_anywhere():
    found = parts((100, 200), areas=(0.2, 1.0), aspects=(0.5, 2.0))
    top, left, height, width = found.T
    assert (found[:, :2] >= 0).all() and (found[:, 2:] >= 1).all()
    assert (top + height <= 100).all() and (left + width <= 200).all()
    place = left[width < 200] / (200 - width[width < 200])
    assert place.min() < 0.05 and place.max() > 0.95 and 0.42 < place.mean() < 0.58


def test_where_no_part_fits_it_is_the_whole():
    found = parts((40, 60), 5, areas=(1.0, 1.0), aspects=(2.0, 2.0))
    assert (found == (0, 0, 40, 60)).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"probability": 1.5}, "scale_aspect_transform.probability"),
        ({"areas": (0.5, 1.5)}, r"areas\[1\] is a number from 0.01 to 1, not 1.5"),
        ({"aspects": (0.0, 1.0)}, r"aspects\[0\] is a number from 0.1 to 10, not 0.0"),
    ],
)
def test_settings_outside_their_range(settings, says):
    with pytest.raises(InputError, match=says):
        scale_aspect_transform(**settings)
