"""Dice against loops in NumPy over images and classes."""

import keras
import numpy as np
import pytest

from harness.losses import CLASSES, batch, gradient, numeric_gradient, softmax
from keras_lraspp.losses import DiceLoss, LovaszSoftmax

pytestmark = pytest.mark.backends


def dice_loss(logits, labels, per_image=False):
    """1 - Dice, averaged over the classes that occur, then over images with pixels."""
    probabilities, groups = softmax(logits), []
    if not per_image:
        probabilities, labels = probabilities[None], labels[None]
    for p, truth in zip(probabilities, labels, strict=True):
        losses = []
        for number in range(CLASSES):
            true, valid = truth == number, truth != 255
            if true.any():
                sizes = true.sum() + p[valid, number].sum()
                losses.append(1 - 2 * p[true, number].sum() / sizes)
        if losses:
            groups.append(np.mean(losses))
    return np.mean(groups)


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("sharpness", [0.0, 4.0])
def test_dice_is_its_formula(per_image, sharpness):
    logits, labels = batch(1, sharpness)
    labels[0][labels[0] == 2] = 3  # a class that is in one image only
    labels[labels == 4] = 1  # and one in none
    value = DiceLoss(per_image=per_image)(labels, logits)
    wanted = dice_loss(logits, labels, per_image)
    assert float(value) == pytest.approx(wanted, rel=1e-5)
    assert wanted != pytest.approx(dice_loss(logits, labels, not per_image), rel=1e-3)


@pytest.mark.parametrize("per_image", [False, True])
def test_the_gradient_of_dice_is_the_formulas(per_image):
    logits, labels = batch(2, 1.0, shape=(2, 3, 4))
    labels[0][labels[0] == 2] = 3
    value, ours = gradient(DiceLoss(per_image), logits, labels)
    assert value == pytest.approx(dice_loss(logits, labels, per_image), rel=1e-5)
    wanted = numeric_gradient(
        lambda logits: dice_loss(logits, labels, per_image), logits
    )
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(ours[labels == 255], 0)


def test_over_all_classes_of_one_group_it_is_the_dice_of_keras():
    logits, labels = batch(3, 1.0, ignored=0)
    theirs = keras.losses.Dice(axis=(0, 1, 2))(np.eye(CLASSES)[labels], softmax(logits))
    assert float(DiceLoss()(labels, logits)) == pytest.approx(
        float(np.mean(keras.ops.convert_to_numpy(theirs))), rel=1e-5
    )


@pytest.mark.parametrize("loss", [DiceLoss, LovaszSoftmax])
def test_images_without_a_valid_pixel_do_not_count(loss):
    logits, labels = batch(4, 1.0)
    labels[1] = 255
    both, change = gradient(loss(per_image=True), logits, labels)
    alone = loss(per_image=True)(labels[:1], logits[:1])
    assert both == pytest.approx(float(alone), rel=1e-6)
    np.testing.assert_array_equal(change[1], 0)
    assert np.abs(change[0]).max() > 0


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="raises an error itself")
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("loss", [DiceLoss, LovaszSoftmax])
def test_a_wrong_label_is_seen(loss, per_image):
    logits, labels = batch(5, 1.0)
    labels[1, 2, 3] = CLASSES
    assert np.isnan(float(loss(per_image=per_image)(labels, logits)))
