"""Models that end in a softmax or sigmoid, or have one channel, against NumPy."""

from functools import partial

import keras
import numpy as np
import pytest

from harness.pixel_model import random_images
from harness.scoring import averaged, conv_logits, conv_model
from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError
from keras_lraspp.inference import (
    InferenceOptions,
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.functions import nested_label_function
from keras_lraspp.inference.heads import logits_head, smallest_side

pytestmark = pytest.mark.backends

IMAGES = random_images(2, 9, 14)
FLIP = {"flip": True, "scales": (0.5, 1.0)}


def gentle_model(num_classes=3) -> keras.Model:
    """A `conv_model` with every class, whose probabilities are not all 0 and 1."""
    model = conv_model(num_classes, seed=4)
    *others, kernel, bias = model.get_weights()
    model.set_weights([*others, 0.05 * kernel, 0 * bias])
    middle = np.median(conv_logits(model, IMAGES), axis=(0, 1, 2))
    model.set_weights([*others, 0.05 * kernel, -middle])
    return model


def softmax(logits):
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def sigmoid(logits):
    return 1 / (1 + np.exp(-logits))


def called(layer):
    """Makes a model that puts a layer, or an operation, behind another model."""

    def make(model):
        pixels = keras.Input((None, None, 3))
        return keras.Model(pixels, layer(model(pixels)))

    return make


def in_last_layer(activation):
    """Makes the same network with an activation inside its last convolution."""

    def make(model):
        pixels = keras.Input((None, None, 3))
        channels = model.output_shape[-1]
        options = {"data_format": "channels_last", "padding": "same"}
        x = keras.layers.Conv2D(5, 3, activation="relu", **options)(pixels)
        x = keras.layers.Conv2D(channels, 1, activation=activation, **options)(x)
        made = keras.Model(pixels, x)
        made.set_weights(model.get_weights())
        return made

    return make


def reshaped(model):
    def layer(x):
        x = keras.layers.Reshape((-1, 3))(x)
        x = keras.layers.Softmax()(x)
        return keras.layers.Reshape((9, 14, 3))(x)

    pixels = keras.Input((9, 14, 3))
    return keras.Model(pixels, layer(model(pixels)))


SOFTMAX = {
    "layer": called(keras.layers.Softmax()),
    "activation": called(keras.layers.Activation("softmax")),
    "operation": called(keras.ops.softmax),
    "last layer": in_last_layer("softmax"),
    "sequential": lambda model: keras.Sequential([model, keras.layers.Softmax()]),
    "nested": lambda model: called(
        keras.Sequential([keras.Input((None, None, 3)), keras.layers.Softmax()])
    )(model),
    "dropout": lambda model: called(keras.layers.Dropout(0.5))(
        called(keras.layers.Softmax())(model)
    ),
    "dictionary": lambda model: keras.Model(
        model.inputs, {"scores": keras.layers.Softmax()(model.output)}
    ),
    "average": lambda model: called(
        lambda x: keras.layers.Average()([keras.layers.Softmax()(x) for _ in "ab"])
    )(model),
    "lambda": called(keras.layers.Lambda(keras.ops.softmax)),
}


def scores(model):
    """What `logits_head` makes of the images, without compiling it."""
    return np.float64(
        keras.ops.convert_to_numpy(logits_head(model).model(IMAGES, training=False))
    )


@pytest.mark.parametrize("form", SOFTMAX)
def test_a_softmax_is_found(form):
    model = gentle_model()
    expected = conv_logits(model, IMAGES)
    found = scores(SOFTMAX[form](model))
    np.testing.assert_allclose(softmax(found), softmax(expected), atol=1e-5)
    np.testing.assert_array_equal(found.argmax(-1), expected.argmax(-1))


def test_a_softmax_is_not_taken_twice():
    model = gentle_model()
    logits = averaged(partial(conv_logits, model), IMAGES, **FLIP)
    ended, options = SOFTMAX["last layer"](model), InferenceOptions(**FLIP)
    found = probability_function(ended, options)(IMAGES)
    np.testing.assert_allclose(found, softmax(logits), atol=1e-5)
    labels = label_function(ended, options)(IMAGES)
    np.testing.assert_array_equal(labels, logits.argmax(-1))
    assert len(np.unique(labels)) == 3
    logs = np.float64(logit_function(ended, options)(IMAGES))
    np.testing.assert_allclose(softmax(logs), softmax(logits), atol=1e-5)


def test_a_softmax_over_reshaped_pixels():
    model = gentle_model()
    found, expected = scores(reshaped(model)), conv_logits(model, IMAGES)
    np.testing.assert_allclose(softmax(found), softmax(expected), atol=1e-5)


SIGMOID = {
    "none": lambda model: model,
    "layer": called(keras.layers.Activation("sigmoid")),
    "operation": called(keras.ops.sigmoid),
    "last layer": in_last_layer("sigmoid"),
}


@pytest.mark.parametrize("form", SIGMOID)
def test_one_channel_is_the_logits_of_two_classes(form):
    model = gentle_model(1)
    found = scores(SIGMOID[form](model))
    assert found.shape == (*IMAGES.shape[:3], 2) and not found[..., 0].any()
    expected = conv_logits(model, IMAGES)
    np.testing.assert_allclose(found[..., 1:], expected, atol=1e-3)


@pytest.mark.parametrize("form", ["none", "layer"])
def test_one_channel_has_a_threshold(form):
    model = gentle_model(1)
    logits = averaged(partial(conv_logits, model), IMAGES, **FLIP)[..., 0]
    ended, options = SIGMOID[form](model), InferenceOptions(**FLIP)
    labels = label_function(ended, options)(IMAGES)
    assert labels.dtype == np.uint8 and 0 < labels.mean() < 1
    np.testing.assert_array_equal(labels, sigmoid(logits) > 0.5)
    found = probability_function(ended, options)(IMAGES)
    np.testing.assert_allclose(found[..., 1], sigmoid(logits), atol=1e-5)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    (several,) = nested_label_function(ended, [options])(IMAGES)
    np.testing.assert_array_equal(several, labels)


@pytest.mark.parametrize("form", SIGMOID)
def test_a_probability_of_a_half_is_the_background(form):
    model = gentle_model(1)
    model.set_weights([0 * value for value in model.get_weights()])
    assert not scores(SIGMOID[form](model)).any()


def test_a_sigmoid_over_several_classes_leaves_them_apart():
    model = gentle_model()
    logits = conv_logits(model, IMAGES)
    ended = called(keras.layers.Activation("sigmoid"))(model)
    found = probability_function(ended)(IMAGES)
    np.testing.assert_allclose(found, sigmoid(logits), atol=1e-5)
    labels = label_function(ended)(IMAGES)
    np.testing.assert_array_equal(labels, logits.argmax(-1))


def test_what_the_graph_does_not_say_the_values_or_the_user_do():
    model = gentle_model(1)
    logits = conv_logits(model, IMAGES)
    hidden = called(keras.layers.Lambda(keras.ops.sigmoid))(model)
    with pytest.raises(InputError, match="may be either; give from_logits=True or"):
        label_function(hidden)
    found = probability_function(hidden, from_logits=False)(IMAGES)[..., 1]
    np.testing.assert_allclose(found, sigmoid(logits[..., 0]), atol=1e-5)
    found = probability_function(hidden, from_logits=True)(IMAGES)[..., 1]
    np.testing.assert_allclose(found, sigmoid(sigmoid(logits[..., 0])), atol=1e-5)

    doubled = called(keras.layers.Lambda(lambda x: 200 * x))(gentle_model())
    assert logits_head(doubled).model is doubled
    with pytest.raises(InputError, match="which are no probabilities"):
        label_function(doubled, from_logits=False)


class WithSoftmax(keras.Model):
    """Does more than its graph says."""

    def call(self, inputs, training=None, mask=None):
        return keras.ops.softmax(super().call(inputs, training=training))


def test_a_subclass_that_does_more_than_its_graph():
    model = gentle_model()
    more = WithSoftmax(model.inputs[0], model.output)
    expected = softmax(conv_logits(model, IMAGES))
    nested = keras.Sequential([keras.Input((None, None, 3)), more])
    for form in (more, nested):
        np.testing.assert_allclose(softmax(scores(form)), expected, atol=1e-5)


def test_a_wrong_claim_is_refused():
    model = gentle_model()
    with pytest.raises(InputError, match="probabilities, of a softmax, but from_logi"):
        label_function(called(keras.ops.softmax)(model), from_logits=True)
    for logits in (model, LRASPP(2, "small", 0.35, 32)):
        assert logits_head(logits, from_logits=True).model is logits
        with pytest.raises(InputError, match="returns logits, but from_logits=False"):
            label_function(logits, from_logits=False)


def test_logits_in_a_dictionary():
    model = gentle_model()
    pixels = keras.Input((None, None, 3), name="image")
    named = keras.Model({"image": pixels}, {"scores": model(pixels)})
    np.testing.assert_array_equal(scores(named), scores(model))


def test_models_that_score_no_pixels_are_refused():
    with pytest.raises(InputError, match="over one channel, which is always 1"):
        label_function(called(keras.layers.Softmax())(gentle_model(1)))
    labels = called(lambda x: keras.ops.argmax(x, axis=-1))(gentle_model())
    with pytest.raises(InputError, match="returns .None, None, None.; give one"):
        label_function(labels)
    model = gentle_model()
    for inputs, outputs, said in (
        (model.inputs, [model.output, model.output], "takes 1 tensor and"),
        ([*model.inputs, keras.Input((2,))], model.output, "takes 2 tensors and"),
    ):
        with pytest.raises(InputError, match=said):
            label_function(keras.Model(inputs, outputs))
    with pytest.raises(InputError, match="give keras.Model.x, model.x.."):
        label_function(keras.Sequential([keras.layers.Conv2D(2, 1)]))


def test_the_smallest_side_of_a_model_inside():
    inside = LRASPP(2, "small", 0.35, 32, pooling="large_kernel")
    assert smallest_side(gentle_model()) == 1
    assert smallest_side(inside) > 49
    ended = keras.Sequential([inside, keras.layers.Softmax()])
    assert smallest_side(ended) == smallest_side(inside)
    with pytest.raises(InputError, match="smallest side is 1537"):
        label_function(ended)(IMAGES)
