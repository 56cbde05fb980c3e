"""label_function against arithmetic in whole numbers."""

import keras
import numpy as np
import pytest

from harness.pixel_model import (
    expected_labels,
    pixel_model,
    random_images,
    set_weights,
)
from keras_lraspp.errors import InputError
from keras_lraspp.inference import label_function


@pytest.mark.backends
@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 7, 13), (1, 40, 24)])
def test_labels_are_the_argmax(shape):
    model = pixel_model()
    images = random_images(*shape)
    labels = label_function(model)(images)
    assert isinstance(labels, np.ndarray)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, expected_labels(model, images))


@pytest.mark.backends
def test_one_function_takes_many_sizes():
    model = pixel_model()
    labels_of = label_function(model)
    for batch, height, width in [(1, 8, 8), (3, 8, 8), (1, 9, 30), (2, 16, 5)]:
        images = random_images(batch, height, width)
        np.testing.assert_array_equal(labels_of(images), expected_labels(model, images))


@pytest.mark.backends
def test_the_lower_of_two_equal_classes_wins():
    model = pixel_model(4)
    kernel, bias = model.get_weights()
    model.set_weights([np.zeros_like(kernel), np.array([1, 5, 5, 0])])
    assert (label_function(model)(random_images(1, 6, 6)) == 1).all()


@pytest.mark.backends
def test_weights_are_read_at_each_call():
    model = pixel_model(seed=1)
    images = random_images(1, 20, 20)
    labels_of = label_function(model)
    before = labels_of(images)
    set_weights(model, seed=2)
    after = labels_of(images)
    np.testing.assert_array_equal(after, expected_labels(model, images))
    assert (before != after).any()


@pytest.mark.backends
def test_more_than_256_classes_need_int32():
    model = pixel_model(300)
    kernel, bias = model.get_weights()
    bias[:] = 0
    bias[280] = 10_000
    model.set_weights([kernel, bias])
    labels = label_function(model)(random_images(1, 4, 4))
    assert labels.dtype == np.int32
    assert (labels == 280).all()


@pytest.mark.backends
@pytest.mark.parametrize(
    "images, said",
    [
        (np.zeros((1, 4, 4, 3), np.float32), "float32"),
        (np.zeros((4, 4, 3), np.uint8), r"\(4, 4, 3\)"),
        (np.zeros((1, 4, 4, 1), np.uint8), r"\(1, 4, 4, 1\)"),
        (np.zeros((0, 4, 4, 3), np.uint8), r"\(0, 4, 4, 3\)"),
    ],
)
def test_other_images_are_refused(images, said):
    with pytest.raises(InputError, match=said):
        label_function(pixel_model())(images)


@pytest.mark.backends
def test_the_smallest_side_is_said():
    model = pixel_model()
    model.smallest_side = 385
    with pytest.raises(InputError, match="384x512.*385 pixels"):
        label_function(model)(np.zeros((1, 384, 512, 3), np.uint8))


@pytest.mark.backends
def test_a_model_of_fixed_size_refuses_others():
    model = pixel_model(input_shape=(8, None, 3))
    labels_of = label_function(model)
    assert labels_of(random_images(1, 8, 5)).shape == (1, 8, 5)
    with pytest.raises(InputError, match="9x5.*8xNone"):
        labels_of(random_images(1, 9, 5))


class _Counting(keras.layers.Layer):
    traces = 0

    def call(self, inputs):
        type(self).traces += 1  # runs in Python, so only while a graph is made
        return inputs


def test_many_sizes_need_few_graphs():
    base = pixel_model()
    model = keras.Model(base.input, _Counting()(base.output))
    labels_of = label_function(model)
    _Counting.traces = 0
    for side in range(5, 45):
        labels_of(random_images(1 + side % 3, side, 60 - side))
    assert 1 <= _Counting.traces <= 5


def test_tensors_of_the_pipeline_are_taken_as_they_are():
    import tensorflow as tf

    model = pixel_model()
    images = random_images(2, 9, 11)
    labels = label_function(model)(tf.constant(images))
    np.testing.assert_array_equal(labels, expected_labels(model, images))
