"""1x1 convolutions in training, of parts and enlarged tensors, against Keras's own."""

import keras
import numpy as np
import pytest

from harness.gradients import gradient_of
from keras_lraspp.layers import Concatenate, Conv2D, ResizeLike
from keras_lraspp.layers.pointwise_tensorflow import find_product

pytestmark = pytest.mark.backends
DRAW = np.random.default_rng(0)


def normal(*shape):
    return DRAW.normal(size=shape).astype("float32")


COARSE, FINE = normal(2, 2, 3, 5), normal(2, 4, 6, 3)


def head(kinds, training):
    """A convolution of an enlarged tensor beside a fine one; its function of COARSE."""
    concatenate, conv = kinds[0](), kinds[1](4, 1, activation="tanh")
    resize = ResizeLike()
    conv.build((2, 4, 6, 8))
    draw = np.random.default_rng(1)
    conv.set_weights([draw.normal(size=w.shape) for w in conv.get_weights()])

    def run(coarse):
        fine = keras.ops.convert_to_tensor(FINE)
        enlarged = resize(coarse, fine, training=training)
        return conv(concatenate([enlarged, fine]), **training_of(conv, training))

    return run, conv.kernel


def training_of(layer, training):
    return {"training": training} if isinstance(layer, Conv2D) else {}


def results(kinds, training=True):
    """Outputs, and the gradients of the coarse tensor and of the kernel."""
    run, kernel = head(kinds, training)
    weights = np.random.default_rng(2).normal(size=(2, 4, 6, 4)).astype("float32")

    def loss(coarse):
        return keras.ops.sum(keras.ops.multiply(run(coarse), weights))

    def loss_of_kernel(value):
        with keras.StatelessScope(state_mapping=[(kernel, value)]):
            return loss(keras.ops.convert_to_tensor(COARSE))

    start = keras.ops.convert_to_numpy(kernel)
    outputs = keras.ops.convert_to_numpy(run(keras.ops.convert_to_tensor(COARSE)))
    return outputs, gradient_of(loss, COARSE), gradient_of(loss_of_kernel, start)


def test_numbers_and_gradients_are_those_of_keras():
    found = results((Concatenate, Conv2D))
    wanted = results((keras.layers.Concatenate, keras.layers.Conv2D), training=False)
    for ours, theirs in zip(found, wanted, strict=True):
        assert np.abs(theirs).max() > 0.1
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's way")
@pytest.mark.parametrize("training", [True, False])
def test_what_is_multiplied(training):
    """In training the enlarged tensor's part before it is enlarged; else, nothing."""
    import tensorflow as tf

    run, _ = head((Concatenate, Conv2D), training)
    graph = tf.function(run).get_concrete_function(tf.constant(COARSE)).graph
    products = [op for op in graph.get_operations() if op.type == "MatMul"]
    shapes = sorted(tuple(op.inputs[0].shape) for op in products)
    assert shapes == ([(2 * 2 * 3, 5), (2 * 4 * 6, 3)] if training else [])
    kinds = [op.type for op in graph.get_operations()]
    assert ("Conv2D" in kinds) != training


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's way")
def test_where_a_convolution_is_a_product():
    import tensorflow as tf

    x = tf.ones((1, 4, 4, 2))
    assert find_product(Conv2D(3, 1), x) is not None
    assert find_product(Conv2D(3, 3), x) is None
    assert find_product(Conv2D(3, 1, strides=2), x) is None
    assert find_product(Conv2D(4, 1, groups=2), x) is None
    assert find_product(Conv2D(3, 1), tf.cast(x, "bfloat16")) is None
    # More filters than channels: enlarged first, as there is less of it.
    wide = ResizeLike()(x, tf.ones((1, 8, 8, 1)), training=True)
    graph = tf.function(find_product(Conv2D(3, 1), wide)).get_concrete_function(
        tf.ones((1, 1, 2, 3))
    )
    (product,) = (op for op in graph.graph.get_operations() if op.type == "MatMul")
    assert product.inputs[0].shape == (64, 2)
