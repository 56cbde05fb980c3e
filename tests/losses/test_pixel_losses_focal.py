"""The focal loss against its formula in NumPy, and against Keras's."""

import keras
import numpy as np
import pytest

from harness.losses import CLASSES, batch, gradient, numeric_gradient, softmax
from keras_lraspp.errors import InputError
from keras_lraspp.losses import CrossEntropy, FocalLoss

pytestmark = pytest.mark.backends

WEIGHTS = (0.5, 2.0, 1.0, 0.0, 1.5)


def focal_loss(logits, labels, gamma, weights=(1,) * CLASSES):
    total = count = 0.0
    probabilities = softmax(logits).reshape(-1, CLASSES)
    for p, label in zip(probabilities, labels.ravel(), strict=True):
        if label != 255:
            total += weights[label] * (1 - p[label]) ** gamma * -np.log(p[label])
            count += weights[label]
    return total / (count + 1e-5 * labels.size)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0, 5.0])
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_the_value_is_the_formula(gamma, weights):
    logits, labels = batch(1, 1.0)
    value = FocalLoss(gamma=gamma, class_weights=weights)(labels, logits)
    wanted = focal_loss(logits, labels, gamma, weights or (1,) * CLASSES)
    assert float(value) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_the_gradient_is_the_formulas(gamma):
    logits, labels = batch(2, 1.0, shape=(2, 3, 4))
    _, ours = gradient(FocalLoss(gamma, class_weights=WEIGHTS), logits, labels)
    wanted = numeric_gradient(
        lambda logits: focal_loss(logits, labels, gamma, WEIGHTS), logits
    )
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-7)


def test_it_is_the_focal_loss_of_keras():
    logits, labels = batch(3, 1.0, ignored=0)
    truth = np.eye(CLASSES)[labels]
    theirs = keras.losses.CategoricalFocalCrossentropy(
        alpha=1.0, gamma=2.0, from_logits=True
    )
    # Ours guards against 0 / 0 with 1e-5 of all pixels.
    assert float(FocalLoss()(labels, logits)) == pytest.approx(
        float(theirs(truth, logits)), rel=2e-5
    )


def test_without_focus_it_is_cross_entropy():
    logits, labels = batch(4, 1.0)
    value = float(FocalLoss(gamma=0)(labels, logits))
    assert value == pytest.approx(float(CrossEntropy()(labels, logits)), rel=1e-6)


def test_a_pixel_that_is_most_wrong_has_the_gradient_of_cross_entropy():
    """Keras's own clips such a probability and gives no gradient."""
    logits = np.float32([[[[0, 40, 0, 0, 0]]]])
    labels = np.uint8([[[0]]])
    value, ours = gradient(FocalLoss(), logits, labels)
    assert value == pytest.approx(40, rel=1e-4)
    np.testing.assert_allclose(ours.ravel(), [-1, 1, 0, 0, 0], atol=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.5])
def test_a_pixel_that_is_surely_right_has_no_gradient(gamma):
    logits = np.float32([[[[100, 0, 0, 0, 0], [16.5, 0, 0, 0, 0]]]])
    value, ours = gradient(FocalLoss(gamma), logits, np.zeros((1, 1, 2), "uint8"))
    assert 0 <= value < 1e-6
    np.testing.assert_allclose(ours, 0, atol=1e-6 if gamma >= 1 else 1e-3)


@pytest.mark.parametrize("gamma", [-1, float("nan")])
def test_a_negative_gamma_is_refused(gamma):
    with pytest.raises(
        InputError, match="FocalLoss.gamma is a number from 0 to 100, not"
    ):
        FocalLoss(gamma=gamma)
