"""The weighted sum: of what its losses give, made by gin or in code."""

from functools import partial

import keras
import numpy as np
import pytest

from harness.losses import batch, gradient
from keras_lraspp.errors import InputError
from keras_lraspp.losses import (
    CombinedLoss,
    CrossEntropy,
    DiceLoss,
    LovaszSoftmax,
    OhemCrossEntropy,
)

pytestmark = pytest.mark.backends


@pytest.mark.parametrize("weights", [None, [0.5, 3]])
def test_value_and_gradient_are_the_weighted_sums(weights):
    logits, labels = batch(1, 1.0)
    parts = [
        gradient(loss, logits, labels)
        for loss in (OhemCrossEntropy(min_kept=50), DiceLoss())
    ]
    factors = weights or [1, 1]
    together = CombinedLoss([OhemCrossEntropy(min_kept=50), DiceLoss()], weights)
    value, change = gradient(together, logits, labels)
    wanted = sum(
        factor * part for factor, (part, _) in zip(factors, parts, strict=True)
    )
    assert value == pytest.approx(wanted, rel=1e-5)
    wanted = sum(
        factor * part for factor, (_, part) in zip(factors, parts, strict=True)
    )
    np.testing.assert_allclose(change, wanted, rtol=1e-4, atol=1e-9)


def test_it_hands_the_ignored_label_to_what_makes_losses():
    logits, labels = batch(2, 1.0, ignored=0)
    makers = [CrossEntropy, partial(DiceLoss, per_image=True)]
    loss = CombinedLoss(makers, ignore_label=3)
    assert [part.ignore_label for part in loss.losses] == [3, 3]
    wanted = CrossEntropy(3)(labels, logits) + DiceLoss(True, 3)(labels, logits)
    assert float(loss(labels, logits)) == pytest.approx(float(wanted), rel=1e-6)
    kept = CombinedLoss([CrossEntropy(7)], ignore_label=3)
    assert kept.losses[0].ignore_label == 7


def test_losses_of_keras_count_with_their_mean():
    logits, labels = batch(3, 1.0, ignored=0)
    theirs = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    value = CombinedLoss([theirs, DiceLoss], [2, 1])(labels, logits)
    wanted = 2 * theirs(labels, logits) + DiceLoss()(labels, logits)
    assert float(value) == pytest.approx(float(wanted), rel=1e-6)


def test_a_saved_model_has_the_same_sum(tmp_path):
    inner = CombinedLoss([DiceLoss, LovaszSoftmax(per_image=True)], [1, 2])
    loss = CombinedLoss([CrossEntropy(class_weights=[1, 2, 3]), inner], [0.1, 2])
    model = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(3, 1)])
    model.compile("sgd", loss)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras").loss
    assert again.get_config() == loss.get_config()
    logits, labels = (
        np.random.default_rng(0).normal(size=(2, 4, 4, 3)),
        np.ones((2, 4, 4)),
    )
    assert float(again(labels, logits)) == float(loss(labels, logits))


@pytest.mark.parametrize(
    "losses, weights, sentence",
    [
        ([], None, "CombinedLoss.losses is empty"),
        ([CrossEntropy, "dice"], None, "has losses such as @CrossEntropy, not 'dice'"),
        ([dict], None, "has losses such as @CrossEntropy, not <class 'dict'>"),
        ([CrossEntropy], [1, 2], "weights has 2 numbers for 1 losses; give one for"),
        ([CrossEntropy], [-1], "CombinedLoss.weights is a list of finite numbers"),
        ([CrossEntropy], [0], "CombinedLoss.weights is a list of finite numbers"),
    ],
)
def test_what_makes_no_sum_is_refused(losses, weights, sentence):
    with pytest.raises(InputError, match=sentence):
        CombinedLoss(losses, weights)
