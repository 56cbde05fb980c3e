"""Class weights: the weighted mean by a loop in NumPy, and what is wrong in them."""

import keras
import numpy as np
import pytest

from harness.losses import CLASSES, batch, gradient, numeric_gradient, softmax
from keras_lraspp.errors import InputError
from keras_lraspp.losses import (
    CrossEntropy,
    FocalLoss,
    OhemCrossEntropy,
)

pytestmark = pytest.mark.backends

WEIGHTS = (0.5, 2.0, 1.0, 0.0, 4.5)


def weighted_loss(logits, labels, weights, min_kept=None, threshold=0.7):
    """Sum of w l over sum of w, pixel by pixel; kept are the hard ones."""
    pixels = []
    probabilities = softmax(logits).reshape(-1, CLASSES)
    for p, label in zip(probabilities, labels.ravel(), strict=True):
        if label != 255:
            pixels.append((p[label], weights[label]))
    if min_kept is not None and len(pixels) > min_kept:
        limit = max(sorted(p for p, _ in pixels)[min_kept - 1], threshold)
        pixels = [(p, weight) for p, weight in pixels if p < limit]
    total = sum(weight for _, weight in pixels)
    total += 1e-5 * labels.size * np.mean(weights)  # the reference's guard
    return sum(-np.log(p) * weight for p, weight in pixels) / total


@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_cross_entropy_is_the_weighted_mean(scale):
    logits, labels = batch(1, 1.0)
    weights = np.array(WEIGHTS) * scale
    value = CrossEntropy(class_weights=weights)(labels, logits)
    wanted = weighted_loss(logits, labels, WEIGHTS)
    assert float(value) == pytest.approx(wanted, rel=1e-5)


# Confident, and half of them: the sorted confidences decide, or the threshold does.
@pytest.mark.parametrize("sharpness, min_kept", [(6.0, 300), (1.0, 100), (1.0, 384)])
def test_ohem_weighs_the_pixels_that_it_keeps(sharpness, min_kept):
    logits, labels = batch(2, sharpness)
    loss = OhemCrossEntropy(min_kept=min_kept, class_weights=WEIGHTS)
    wanted = weighted_loss(logits, labels, WEIGHTS, min_kept)
    assert float(loss(labels, logits)) == pytest.approx(wanted, rel=1e-5)
    if min_kept < 384:
        everything = weighted_loss(logits, labels, WEIGHTS)
        assert wanted != pytest.approx(everything, rel=0.01)


@pytest.mark.parametrize("min_kept", [None, 12])
def test_the_gradient_is_that_of_the_weighted_mean(min_kept):
    logits, labels = batch(3, 3.0, shape=(2, 3, 4))
    loss = CrossEntropy(class_weights=WEIGHTS)
    if min_kept:
        loss = OhemCrossEntropy(min_kept=min_kept, class_weights=WEIGHTS)
    value, ours = gradient(loss, logits, labels)
    assert value == pytest.approx(
        weighted_loss(logits, labels, WEIGHTS, min_kept), rel=1e-5
    )
    # The limit of what is kept moves with its pixel, which stays out: p < limit.
    wanted = numeric_gradient(
        lambda logits: weighted_loss(logits, labels, WEIGHTS, min_kept), logits
    )
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("loss", [CrossEntropy, OhemCrossEntropy, FocalLoss])
def test_equal_weights_change_nothing(loss):
    logits, labels = batch(4, 1.0)
    weighted = loss(class_weights=[0.1] * CLASSES)(labels, logits)
    assert float(weighted) == pytest.approx(float(loss()(labels, logits)), rel=1e-6)


@pytest.mark.parametrize("ignored", ["all", "all of weight"])
def test_pixels_of_weight_zero_alone_give_zero(ignored):
    logits, labels = batch(5, 0.0)
    labels[:] = 255 if ignored == "all" else 3
    value, change = gradient(CrossEntropy(class_weights=WEIGHTS), logits, labels)
    assert value == 0
    np.testing.assert_array_equal(change, 0)


@pytest.mark.parametrize("loss", [CrossEntropy, OhemCrossEntropy, FocalLoss])
def test_too_few_weights_are_one_sentence_at_the_first_step(loss):
    logits, labels = batch(6, 0.0)
    wanted = (
        f"{loss.__name__}.class_weights has 3 numbers for 5 classes; "
        "give one for each class."
    )
    with pytest.raises(InputError) as caught:
        loss(class_weights=[1, 2, 3])(labels, logits)
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(5, 1)])
    model.compile("sgd", loss(class_weights=[1, 2, 3]))
    with pytest.raises(InputError) as in_fit:
        model.fit(np.ones((2, 4, 4, 3)), np.ones((2, 4, 4)), verbose=0)
    assert [str(error.value) for error in (caught, in_fit)] == [wanted] * 2


@pytest.mark.parametrize(
    "weights", [[], [0, 0], [1, -1], [1, np.nan], [np.inf], "12", 3.0, [[1, 2]], ["a"]]
)
def test_other_weights_are_refused_at_once(weights):
    with pytest.raises(InputError, match="CrossEntropy.class_weights is a list of fin"):
        CrossEntropy(class_weights=weights)


def test_weights_may_come_from_numpy():
    weights = np.float32([1, 2])
    assert CrossEntropy(class_weights=weights).class_weights == [1.0, 2.0]
    assert CrossEntropy(class_weights=None).class_weights is None
