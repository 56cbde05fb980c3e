"""Losses: batches, gradients, and both in NumPy."""

import keras
import numpy as np

CLASSES = 5


def batch(seed, sharpness, ignored=0.1, shape=(2, 12, 16)):
    """Logits that favour the true class by `sharpness`, and labels."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, shape)
    logits = rng.normal(size=(*shape, CLASSES))
    logits += sharpness * np.eye(CLASSES)[labels]
    labels[rng.random(labels.shape) < ignored] = 255
    return logits.astype("float32"), labels.astype("uint8")


class Logits(keras.layers.Layer):
    """A layer that adds its only weight, 0 at first, to the logits.

    After a step of learning rate 1 the weight is the gradient, negated, unrounded.
    """

    def __init__(self, value):
        super().__init__()
        self.value = value

    def build(self, _):
        self.shift = self.add_weight(shape=self.value.shape, initializer="zeros")

    def call(self, inputs):
        value = keras.ops.convert_to_tensor(self.value)
        return value + self.shift + 0 * keras.ops.sum(inputs)

    def compute_output_shape(self, _):
        return self.value.shape


def gradient(loss, logits, labels, eager=True):
    """Value of a loss, and its gradient on the logits, from one step of training.

    A graph, if not `eager`, is what trainings have, but takes long to build.
    """
    model = keras.Sequential([keras.Input((1,)), Logits(logits)])
    model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False, run_eagerly=eager)
    value = model.train_on_batch(np.zeros((logits.shape[0], 1)), labels)
    return value, -model.get_weights()[0]


def softmax(logits):
    """Softmax in float64."""
    powers = np.exp(logits.astype("float64") - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def numeric_gradient(function, logits, step=1e-5):
    """Central differences in float64 of a function of logits, tiny ones."""
    logits = logits.astype("float64")
    slopes = np.empty_like(logits)
    for index in np.ndindex(logits.shape):
        there, back = logits.copy(), logits.copy()
        there[index] += step
        back[index] -= step
        slopes[index] = (function(there) - function(back)) / (2 * step)
    return slopes
