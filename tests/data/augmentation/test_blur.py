"""The blur against SciPy's Gaussian filter."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from harness.image_files import classes, noise
from keras_lraspp.data import blur_transform
from keras_lraspp.data.augmentation import geometry as blur
from keras_lraspp.errors import InputError


@pytest.mark.parametrize("sigma", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("size", [(20, 31), (1, 3)])
def test_it_is_scipys(sigma, size):
    image = noise(*size)
    got = blur.gaussian_blur(tf.constant(image), tf.constant(sigma), radius=10)
    wanted = ndimage.gaussian_filter(
        image.astype(float), (sigma, sigma, 0), mode="nearest", radius=(10, 10, 0)
    )
    # Exact but for rounding: halves may go either way.
    np.testing.assert_allclose(got.numpy(), wanted, atol=0.501)
    assert np.mean(got == np.floor(wanted + 0.5)) > 0.999


def test_sigmas_are_uniform_and_labels_stay():
    """Of a bright line, the brightest pixel that is left tells the sigma."""
    image = np.zeros((1, 41, 3), np.uint8)
    image[:, 20] = 255
    label = classes(1, 41)
    transform = blur_transform(probability=1.0, sigmas=(1.0, 3.0))
    peaks = []
    for seed in range(100):
        got, labels = transform(image, label, tf.constant([seed, 5]))
        np.testing.assert_array_equal(labels, label)
        peaks.append(int(got[0, 20, 0]))
    sigmas = 255 / (np.sqrt(2 * np.pi) * np.array(peaks))
    assert 0.95 < sigmas.min() < 1.2 and 2.8 < sigmas.max() < 3.05
    assert 1.8 < sigmas.mean() < 2.2


def test_the_kernel_reaches_far_enough_for_the_largest_sigma():
    image = noise(40, 40)
    transform = blur_transform(probability=1.0, sigmas=(3.0, 3.0))
    got, _ = transform(image, classes(40, 40), tf.constant([1, 2]))
    wanted = ndimage.gaussian_filter(
        image.astype(float), (3, 3, 0), mode="nearest", truncate=10
    )
    np.testing.assert_allclose(got.numpy(), wanted, atol=0.55)


def test_probability():
    image, label = tf.constant(noise(4, 4)), classes(4, 4)
    transform = blur_transform(probability=0.3, sigmas=(2.0, 2.0))
    blurred = [
        bool(tf.reduce_any(transform(image, label, tf.constant([seed, 0]))[0] != image))
        for seed in range(200)
    ]
    assert 0.2 < np.mean(blurred) < 0.4


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (
            {"probability": 2},
            "blur_transform.probability is a number from 0 to 1, not 2",
        ),
        ({"sigmas": (0.0, 1.0)}, r"sigmas\[0\] is a number from 0.01 to 100, not 0.0"),
        ({"sigmas": 1.0}, "sigmas is a list of 2, not 1.0"),
        ({"sigmas": (2.0, 1.0)}, r"\(lowest, highest\)"),
    ],
)
def test_settings_outside_their_range(settings, says):
    with pytest.raises(InputError, match=says):
        blur_transform(**settings)
