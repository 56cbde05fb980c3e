"""Lovasz-softmax against the definition: the Lovasz extension of a set function."""

import numpy as np
import pytest

from harness.losses import CLASSES, batch, gradient, numeric_gradient, softmax
from keras_lraspp.errors import InputError
from keras_lraspp.losses import LovaszSoftmax

pytestmark = pytest.mark.backends


def jaccard_loss(wrong, true):
    """1 - IoU of a class if the pixels of the set `wrong` are mispredicted."""
    union = true | wrong
    return 1 - len(true - wrong) / len(union) if union else 0.0


def extension(errors, true):
    """Sum over pixels, the largest error first, of error times marginal loss."""
    total, wrong = 0.0, set()
    for pixel in sorted(range(len(errors)), key=lambda pixel: -errors[pixel]):
        before = jaccard_loss(wrong, true)
        wrong.add(pixel)
        total += errors[pixel] * (jaccard_loss(wrong, true) - before)
    return total


def lovasz_softmax(logits, labels, classes="present", per_image=False):
    probabilities = softmax(logits)
    if not per_image:
        probabilities, labels = probabilities[None], labels[None]
    groups = []
    for p, truth in zip(probabilities, labels, strict=True):
        p, truth = p[truth != 255], truth[truth != 255]
        losses = []
        for number in range(CLASSES):
            true = set(np.flatnonzero(truth == number).tolist())
            if true or (classes == "all" and truth.size):
                losses.append(extension(np.abs((truth == number) - p[:, number]), true))
        if losses:
            groups.append(np.mean(losses))
    return np.mean(groups)


@pytest.mark.parametrize("sharpness", [0.0, 4.0])
@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("classes", ["present", "all"])
def test_the_value_is_the_definitions(classes, per_image, sharpness):
    logits, labels = batch(1, sharpness, shape=(2, 6, 8))
    labels[0][labels[0] == 2] = 3  # a class that is in one image only
    labels[labels == 4] = 1  # and one in none
    arguments = {"classes": classes, "per_image": per_image}
    value = LovaszSoftmax(**arguments)(labels, logits)
    wanted = lovasz_softmax(logits, labels, **arguments)
    assert float(value) == pytest.approx(wanted, rel=1e-5)
    other = {**arguments, "per_image": not per_image}
    assert wanted != pytest.approx(lovasz_softmax(logits, labels, **other), rel=1e-3)


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("classes", ["present", "all"])
def test_the_gradient_is_the_definitions(classes, per_image):
    logits, labels = batch(2, 1.0, shape=(2, 3, 4))
    labels[labels == 4] = 1
    arguments = {"classes": classes, "per_image": per_image}
    _, ours = gradient(LovaszSoftmax(**arguments), logits, labels)
    wanted = numeric_gradient(
        lambda logits: lovasz_softmax(logits, labels, **arguments), logits
    )
    np.testing.assert_allclose(ours, wanted, rtol=1e-4, atol=1e-7)
    np.testing.assert_array_equal(ours[labels == 255], 0)


def test_of_certain_predictions_it_is_one_minus_miou():
    _, labels = batch(3, 0.0)
    predictions = np.random.default_rng(0).integers(0, CLASSES, labels.shape)
    predictions = np.where(
        np.random.default_rng(1).random(labels.shape) < 0.7, labels, predictions
    )
    predictions[labels == 255] = 0
    valid = labels != 255
    ious = []
    for number in range(CLASSES):
        true, said = labels == number, (predictions == number) & valid
        ious.append((true & said).sum() / (true | said).sum())
    logits = 100 * np.eye(CLASSES, dtype="float32")[predictions]
    value = float(LovaszSoftmax()(labels, logits))
    assert value == pytest.approx(1 - np.mean(ious), rel=1e-5)
    assert 0.2 < value < 0.6


def test_what_a_pixel_adds_is_exact_among_many():
    """The differences of 1 - IoU, in float32, would be 0.1 % off."""
    pixels = 20_000
    rng = np.random.default_rng(0)
    errors = rng.permutation(np.linspace(0.05, 0.95, pixels))
    labels = rng.integers(0, 2, pixels)
    logits = np.zeros((1, 1, pixels, 2), "float32")
    logits[..., 0] = np.log((1 - errors) / errors) * np.where(labels == 0, 1, -1)
    _, ours = gradient(LovaszSoftmax(), logits, labels.reshape(1, 1, pixels))
    order, gains = np.argsort(-errors), np.zeros(pixels)
    for number in (0, 1):
        true = labels[order] == number
        iou = (true.sum() - true.cumsum()) / (true.sum() + (~true).cumsum())
        gains[order] += np.diff(1 - iou, prepend=0) / 2
    slopes = errors * (1 - errors) * np.where(labels == 0, -1, 1)
    np.testing.assert_allclose(ours[0, 0, :, 0], gains * slopes, rtol=2e-5)


@pytest.mark.parametrize("classes", ["absent", None, [0, 1]])
def test_other_classes_are_refused(classes):
    with pytest.raises(
        InputError, match="LovaszSoftmax.classes is one of 'present', 'all'"
    ):
        LovaszSoftmax(classes=classes)
