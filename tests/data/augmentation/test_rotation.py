"""The rotation against NumPy's quarter turns and Pillow's rotation."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from harness.image_files import classes, noise
from keras_lraspp.data import rotation_transform
from keras_lraspp.data.augmentation import geometry as rotation
from keras_lraspp.errors import InputError

GREY, IGNORED = 127, 255


def rotated(image, label, degrees, expand=False):
    got = rotation.rotate(
        tf.constant(image),
        tf.constant(label),
        degrees,
        expand=expand,
        ignore_label=IGNORED,
    )
    return [part.numpy() for part in got]


@pytest.mark.parametrize("turns", [-1, 0, 1, 2, 3])
@pytest.mark.parametrize("size", [(8, 13), (9, 9), (6, 4)])
def test_quarter_turns_are_numpys(turns, size):
    image, label = noise(*size), classes(*size)
    got, labels = rotated(image, label, 90.0 * turns, expand=True)
    np.testing.assert_array_equal(got, np.rot90(image, turns))
    np.testing.assert_array_equal(labels, np.rot90(label, turns))


@pytest.mark.parametrize("degrees", [7.0, -30.0, 145.0])
def test_nearest_labels_are_pillows(degrees):
    label = classes(40, 61)
    _, labels = rotated(noise(40, 61), label, degrees)
    wanted = Image.fromarray(label).rotate(degrees, Image.NEAREST, fillcolor=IGNORED)
    # Pillow's fixed-point places differ where a pixel lies halfway.
    assert np.mean(labels == np.asarray(wanted)) > 0.999
    assert (labels == IGNORED).mean() > 0.02


@pytest.mark.parametrize("expand", [False, True])
@pytest.mark.parametrize("degrees", [7.0, -30.0, 145.0])
def test_bilinear_pixels_are_scipys(degrees, expand):
    image = noise(40, 61)
    got, _ = rotated(image, classes(40, 61), degrees, expand)
    sine, cosine = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    matrix = np.array([[cosine, sine], [-sine, cosine]])  # of (row, column)
    middle, new_middle = ((np.array(a.shape[:2]) - 1) / 2 for a in (image, got))
    for channel in range(3):
        wanted = ndimage.affine_transform(
            image[..., channel].astype(float),
            matrix,
            middle - matrix @ new_middle,
            output_shape=got.shape[:2],
            order=1,
            mode="grid-constant",
            cval=GREY,
        )
        np.testing.assert_allclose(got[..., channel], wanted, atol=0.51)


def test_corners_are_grey_and_ignored():
    image, label = np.full((20, 20, 3), 10, np.uint8), np.full((20, 20), 3, np.int32)
    got, labels = rotated(image, label, 45.0)
    assert (got[0, 0] == GREY).all() and labels[0, 0] == IGNORED
    assert (got[10, 10] == 10).all() and labels[10, 10] == 3
    assert labels.dtype == np.int32 and set(np.unique(labels)) == {3, IGNORED}
    # The corners cut off: half a side minus half a diagonal along each diagonal.
    corner = (2**0.5 - 1) * 10
    assert np.sum(labels == IGNORED) == pytest.approx(4 * corner**2, rel=0.15)


def test_an_expanded_frame_holds_the_whole_image():
    image, label = noise(30, 50), np.zeros((30, 50), np.uint8)
    got, labels = rotated(image, label, 30.0, expand=True)
    sine, cosine = 0.5, 3**0.5 / 2
    height, width = 30 * cosine + 50 * sine, 50 * cosine + 30 * sine
    assert labels.shape == got.shape[:2] == (round(height), round(width))
    assert np.sum(labels == 0) == pytest.approx(label.size, rel=0.02)


def angle_of(labels):
    """Angle of a bar that lies level in the middle, in degrees."""
    rows, columns = np.nonzero(labels == 1)
    slope = np.polyfit(columns - columns.mean(), -(rows - rows.mean()), 1)[0]
    return np.degrees(np.arctan(slope))


def test_angles_are_uniform_and_as_likely_as_said():
    label = np.zeros((121, 121), np.uint8)
    label[58:63, 10:111] = 1
    image = np.repeat(label[..., None] * 100, 3, -1)
    transform = rotation_transform(probability=0.5, max_degrees=20)
    turn = tf.function(lambda seed: transform(image, label, tf.stack([seed, 4])))
    angles = []
    for seed in tf.range(200):
        got, labels = (part.numpy() for part in turn(seed))
        angles.append(angle_of(labels))
        assert np.mean((got[..., 0] > 50)[labels < 2] == labels[labels < 2]) > 0.97
    turned = np.array([angle for angle in angles if abs(angle) > 1e-6])
    assert 0.4 < len(turned) / 200 < 0.6
    assert -20.2 < turned.min() < -17 and 17 < turned.max() < 20.2
    assert abs(turned.mean()) < 3.5


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"probability": -1}, "rotation_transform.probability is a number from 0 to 1"),
        ({"max_degrees": 200}, "max_degrees is a number from 0 to 180, not 200"),
        (
            {"ignore_label": None},
            "fills corners with the ignore label, but .* has none",
        ),
    ],
)
def test_settings_that_cannot_be(settings, says):
    with pytest.raises(InputError, match=says):
        rotation_transform(**settings)
