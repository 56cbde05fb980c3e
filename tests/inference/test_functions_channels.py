"""Labels of images of one, four and six channels, against whole numbers."""

import numpy as np
import pytest

from harness.pixel_model import expected_labels, pixel_model, random_images
from keras_lraspp.errors import InputError
from keras_lraspp.inference import InferenceOptions, label_function
from keras_lraspp.inference.functions import check_array

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("channels", [1, 4, 6])
def test_labels_of_any_channels(channels):
    model = pixel_model(input_shape=(None, None, channels))
    images = random_images(2, 9, 14, channels=channels)
    wanted = expected_labels(model, images)
    np.testing.assert_array_equal(label_function(model)(images), wanted)
    options = InferenceOptions(flip=True, sliding_window=(6, 8))
    np.testing.assert_array_equal(label_function(model, options)(images), wanted)


def test_scaled_images_of_six_channels():
    """Flat images stay the same when they are resized, each channel by itself."""
    model = pixel_model(input_shape=(None, None, 6))
    colors = random_images(3, 1, 1, channels=6)
    images = np.tile(colors, (1, 8, 12, 1))
    options = InferenceOptions(scales=(0.5, 1.5))
    found = label_function(model, options)(images)
    np.testing.assert_array_equal(found, expected_labels(model, images))


@pytest.mark.parametrize("given", [1, 3, 5])
def test_other_channels_are_refused(given):
    model = pixel_model(input_shape=(None, None, 4))
    images = random_images(1, 4, 5, channels=given)
    says = rf"uint8 \(batch, height, width, 4\), not uint8 \(1, 4, 5, {given}\)"
    with pytest.raises(InputError, match=says):
        label_function(model)(images)


def test_the_size_that_a_model_was_built_for_has_its_channels():
    model = pixel_model(input_shape=(6, 8, 4))
    with pytest.raises(InputError, match=r"input_shape=\(None, None, 4\)"):
        label_function(model)(random_images(1, 5, 8, channels=4))


@pytest.mark.parametrize(
    ("shape", "channels", "says"),
    [
        ((7, 5, 3), 4, r"width, 4\), not \(7, 5, 3\); this model takes no other"),
        ((7, 5, 6), 4, "takes no other number of channels"),
        ((6, 4, 5), 6, r"transpose\(1, 2, 0\)"),
    ],
)
def test_arrays_of_other_channels(shape, channels, says):
    with pytest.raises(InputError, match=says):
        check_array(np.zeros(shape, np.uint8), channels)
    assert check_array(np.zeros((4, 5, channels), np.uint8), channels) is not None
