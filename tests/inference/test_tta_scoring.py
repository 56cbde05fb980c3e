"""Flip and scales against the same in NumPy."""

from functools import partial

import keras
import numpy as np
import pytest

from harness.pixel_model import expected_labels, pixel_model, random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp.inference import (
    InferenceOptions,
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.tta import scaled_side

pytestmark = pytest.mark.backends


@pytest.mark.parametrize(
    "shape, options",
    [
        ((2, 9, 13), {"flip": True}),
        ((1, 11, 7), {"scales": (0.5,)}),
        ((2, 10, 14), {"scales": (0.75, 1.0, 1.25), "flip": True}),  # 7.5 and 12.5
        ((1, 1, 1), {"scales": (0.5, 3.0), "flip": True}),
    ],
)
def test_logits_labels_and_probabilities(shape, options):
    model, images = conv_model(), random_images(*shape)
    expected = averaged(partial(conv_logits, model), images, **options)
    options = InferenceOptions(**options)
    logits = logit_function(model, options)(images)
    assert isinstance(logits, np.ndarray) and logits.dtype == np.float32
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)
    probabilities = probability_function(model, options)(images)
    assert probabilities.dtype == np.float32
    powers = np.exp(expected - expected.max(-1, keepdims=True))
    powers /= powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(probabilities, powers, atol=1e-4)
    labels = label_function(model, options)(images)
    assert labels.dtype == np.uint8
    best_two = np.sort(expected, axis=-1)[..., -2:]
    clear = best_two[..., 1] - best_two[..., 0] > 1e-3
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(labels[clear], expected.argmax(-1)[clear])


def test_one_function_takes_many_sizes():
    model = conv_model()
    options = {"scales": (0.75, 1.25), "flip": True}
    logits_of = logit_function(model, InferenceOptions(**options))
    for shape in [(1, 8, 8), (2, 9, 15), (1, 5, 22), (1, 9, 15)]:
        images = random_images(*shape)
        expected = averaged(partial(conv_logits, model), images, **options)
        np.testing.assert_allclose(logits_of(images), expected, rtol=1e-4, atol=1e-4)


def test_the_mirror_image_gives_the_mirrored_labels():
    logits_of = logit_function(conv_model(), InferenceOptions(flip=True))
    images = random_images(1, 8, 11)
    mirrored = logits_of(images[:, :, ::-1])
    np.testing.assert_allclose(mirrored, logits_of(images)[:, :, ::-1], atol=1e-4)
    both = np.maximum(images, images[:, :, ::-1])
    logits = logits_of(both)
    np.testing.assert_allclose(logits, logits[:, :, ::-1], atol=1e-4)
    once = logit_function(conv_model())(both)
    assert np.abs(once - once[:, :, ::-1]).max() > 0.1


def test_weights_are_read_at_each_call():
    model, images = conv_model(seed=1), random_images(1, 8, 8)
    logits_of = logit_function(model, InferenceOptions(flip=True))
    logits_of(images)
    model.set_weights(conv_model(seed=2).get_weights())
    expected = averaged(partial(conv_logits, model), images, flip=True)
    np.testing.assert_allclose(logits_of(images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_is_averaged_in_full(policy):
    """Each pass rounds to 8 or 11 bits; the mean of two lies between them."""
    keras.config.set_dtype_policy(policy)
    try:
        model = pixel_model(3)
    finally:
        keras.config.set_dtype_policy("float32")
    model.set_weights([np.zeros((1, 1, 3, 3)), np.array([100.0, 200.5, 3.0])])
    images = random_images(1, 4, 4)
    half = np.float64(keras.ops.convert_to_numpy(model(images))[0, 0, 0])
    options = InferenceOptions(scales=(1.0, 1.0, 1.0))
    logits = logit_function(model, options)(images)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits[0, 0, 0], half, rtol=1e-6)
    assert (label_function(model, options)(images) == 1).all()
    assert probability_function(model)(images).dtype == np.float32


def test_scaled_pixels_keep_their_fractions_in_half_precision():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        pixels = keras.Input((None, None, 3))
        scaled = keras.layers.Rescaling(1.0, dtype="float32")(pixels)
        model = keras.Model(pixels, scaled)
    finally:
        keras.config.set_dtype_policy("float32")
    images = random_images(1, 8, 12)
    logits = logit_function(model, InferenceOptions(scales=(0.75,)))(images)
    expected = averaged(lambda pixels: pixels, images, scales=(0.75,))
    np.testing.assert_allclose(logits, expected, atol=1e-3)


def test_the_default_is_the_bare_network():
    """No resize, no flip, no cast: the network gets the bytes, and once."""
    seen = []

    class Spy(keras.layers.Layer):
        def call(self, inputs):
            seen.append((keras.backend.standardize_dtype(inputs.dtype), inputs.shape))
            return inputs

    pixels = keras.Input((None, None, 3), dtype="uint8")
    base = pixel_model()
    model = keras.Model(pixels, base(Spy(dtype="uint8")(pixels)))
    images = random_images(1, 6, 5)
    expected = expected_labels(base, images)
    for options in ((), (InferenceOptions(scales=[1], flip=False),)):
        seen.clear()
        labels = label_function(model, *options)(images)
        assert seen == [("uint8", (1, 6, 5, 3))]
        np.testing.assert_array_equal(labels, expected)


def test_halves_are_rounded_up():
    assert [scaled_side(side, 0.5) for side in (1, 2, 3, 4, 5)] == [1, 1, 2, 2, 3]
    assert [scaled_side(side, 1.25) for side in (1, 2, 3, 6)] == [1, 3, 4, 8]
    assert scaled_side(10, 0.04) == 0
