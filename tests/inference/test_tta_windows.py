"""Sliding windows against the same in NumPy."""

from functools import partial

import keras
import numpy as np
import pytest

from harness.pixel_model import random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp import LRASPP
from keras_lraspp.inference import InferenceOptions, label_function, logit_function

pytestmark = pytest.mark.backends


def check(model, images, **options):
    expected = averaged(partial(conv_logits, model), images, **options)
    names = {"window": "sliding_window"}
    given = {names.get(name, name): value for name, value in options.items()}
    logits = logit_function(model, InferenceOptions(**given))(images)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    return logits


@pytest.mark.parametrize(
    "shape, window, stride",
    [
        ((1, 12, 16), (6, 8), (6, 8)),  # side by side
        ((2, 13, 17), (6, 8), (4, 5)),  # the last ones are moved back
        ((1, 13, 17), (5, 5), (1, 3)),
        ((1, 6, 17), (6, 4), (2, 2)),  # one row
        ((1, 4, 5), (6, 8), (3, 3)),  # smaller than the window
        ((1, 4, 15), (6, 8), (3, 3)),  # in one direction
    ],
)
def test_windows_are_averaged_where_they_overlap(shape, window, stride):
    check(conv_model(), random_images(*shape), window=window, stride=stride)


def test_with_flip_and_scales():
    check(
        conv_model(),
        random_images(2, 11, 14),
        flip=True,
        scales=(0.5, 1.0, 1.5),
        window=(6, 9),
        stride=(4, 6),
    )


def test_one_function_takes_many_sizes():
    model = conv_model()
    options = {"window": (6, 7), "stride": (4, 5)}
    logits_of = logit_function(
        model, InferenceOptions(sliding_window=(6, 7), stride=(4, 5))
    )
    for shape in [(1, 9, 9), (2, 13, 18), (1, 5, 20), (1, 3, 4), (1, 9, 9)]:
        images = random_images(*shape)
        expected = averaged(partial(conv_logits, model), images, **options)
        np.testing.assert_allclose(logits_of(images), expected, rtol=1e-4, atol=1e-4)


def test_the_default_stride_is_two_thirds():
    model, images = conv_model(), random_images(1, 14, 19)
    options = InferenceOptions(sliding_window=(6, 8))
    expected = averaged(
        partial(conv_logits, model), images, window=(6, 8), stride=(4, 5)
    )
    logits = logit_function(model, options)(images)
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


def test_a_model_of_fixed_size_sees_windows_of_its_size():
    free, images = conv_model(), random_images(1, 13, 17)
    model = conv_model(input_shape=(6, 8, 3))
    model.set_weights(free.get_weights())
    logits = check(model, images, window=(6, 8), stride=(5, 5))
    whole = logit_function(free)(images)
    assert np.abs(logits - whole).max() > 0.1
    # Also after TensorFlow has given up on a size of its own.
    labels_of = label_function(model, InferenceOptions(sliding_window=(6, 8)))
    for shape in [(1, 9, 9), (1, 13, 18), (1, 12, 20)]:
        assert labels_of(random_images(*shape)).shape == shape


def test_a_network_with_all_its_layers():
    """The second size has, on TensorFlow, a graph in which no side is known."""
    model = LRASPP(3, "small", 0.35, 32)
    forward = partial(model.predict, verbose=0)
    sizes = {"sliding_window": (40, 60), "stride": (30, 40)}
    logits_of = logit_function(model, InferenceOptions(scales=(1.3,), **sizes))
    for size in [(45, 71), (50, 66)]:
        images = random_images(1, *size)
        expected = averaged(
            forward, images, scales=(1.3,), window=(40, 60), stride=(30, 40)
        )
        largest = np.abs(expected).max()
        np.testing.assert_allclose(logits_of(images), expected, atol=1e-3 * largest)
        if keras.backend.backend() == "jax":
            break  # the other is as the first there, and slow to compile


def test_many_windows_need_one_copy_of_the_network():
    traces = []

    class Counting(keras.layers.Layer):
        def call(self, inputs):
            traces.append(inputs.shape)  # in Python: while a graph is made
            return inputs

    base = conv_model()
    model = keras.Model(base.input, Counting()(base.output))
    options = InferenceOptions(sliding_window=(4, 4), stride=(2, 2))
    labels_of = label_function(model, options)
    traces.clear()
    labels_of(random_images(1, 21, 31))
    windows = 10 * 15
    if keras.backend.backend() == "torch":
        assert len(traces) == windows
    else:
        assert 1 <= len(traces) <= 3
