"""Muon against singular value decompositions and Keras's own Muon and Adam."""

import keras
import numpy as np
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.training.muon import Muon, orthogonalized

pytestmark = pytest.mark.backends


def draw(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def variable(value, name="kernel"):
    return keras.Variable(value, name=name)


def moved(optimizer, values, gradients, name="kernel"):
    """Where variables are after a step for each of the gradients."""
    variables = [variable(value, name) for value in values]
    optimizer.build(variables)
    for step in gradients:
        optimizer.apply([*map(keras.ops.convert_to_tensor, step)])
    return [keras.ops.convert_to_numpy(own) for own in variables]


@pytest.mark.parametrize("shape", [(4, 4), (40, 7), (7, 40)])
def test_singular_values_come_near_one_and_the_directions_stay(shape):
    matrix = draw(*shape)
    found = orthogonalized(keras.ops.convert_to_tensor(matrix))
    found = keras.ops.convert_to_numpy(found)
    left, _, right = np.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ found @ right.T  # diagonal: the singular values now
    values = np.diag(inner)
    assert 0.6 < values.min() <= values.max() < 1.25
    np.testing.assert_allclose(inner, np.diag(values), atol=1e-3)


def test_a_gradient_of_zero_moves_nothing():
    (found,) = moved(Muon(0.1, weight_decay=0), [np.ones((3, 4))], [[np.zeros((3, 4))]])
    np.testing.assert_array_equal(found, np.ones((3, 4)))


def test_a_matrix_moves_as_by_kerass_muon():
    gradients = [[draw(6, 4, seed=seed)] for seed in (1, 2, 3)]
    (found,) = moved(Muon(0.1, weight_decay=0.3), [draw(6, 4)], gradients)
    # Without its scale by the larger side; ours is by the columns, here the fewer.
    theirs = keras.optimizers.Muon(0.1, weight_decay=0.3, rms_rate=None)
    (wanted,) = moved(theirs, [draw(6, 4)], gradients)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def test_a_pointwise_kernel_moves_as_the_matrix_that_it_is_and_further_if_it_widens():
    gradients = [[draw(1, 1, 3, 12, seed=seed)] for seed in (1, 2)]
    start = draw(1, 1, 3, 12)
    (found,) = moved(Muon(0.1, weight_decay=0), [start], gradients)
    theirs = keras.optimizers.Muon(0.1, weight_decay=None, rms_rate=None)
    flat = [[step[0].reshape(3, 12)] for step in gradients]
    (wanted,) = moved(theirs, [start.reshape(3, 12)], flat)
    step = 2.0 * (wanted - start.reshape(3, 12))  # sqrt(12 / 3)
    np.testing.assert_allclose(found - start, step[None, None], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "name"),
    [((5,), "bias"), ((3, 3, 5, 1), "kernel"), ((1, 1, 3, 5), "head_classes_conv")],
)
def test_what_is_no_matrix_moves_as_by_adam(shape, name):
    gradients = [[draw(*shape, seed=seed)] for seed in (1, 2, 3)]
    (found,) = moved(Muon(0.1, weight_decay=0), [draw(*shape)], gradients, name)
    adam = keras.optimizers.Adam(0.01, beta_2=0.99, epsilon=1e-8)
    (wanted,) = moved(adam, [draw(*shape)], gradients)
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_the_convolutions_of_the_network_are_its_matrices():
    model = LRASPP(3, "small", 0.35, 32)
    optimizer = Muon()
    optimizer.build(model.trainable_variables)
    found = {own.path for own in model.trainable_variables if optimizer.is_matrix(own)}
    layers = [*model.backbone.layers, *model.layers]
    kernels = {
        layer.kernel.path
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D)
        and not isinstance(layer, keras.layers.DepthwiseConv2D)
        and layer.name != "head_classes_conv"
    }
    assert found == kernels


def test_the_config_makes_the_same_optimizer():
    config = Muon(0.1, momentum=0.8, adam_rate=0.3, adam_layers=["a"]).get_config()
    assert Muon.from_config(config).get_config() == config
