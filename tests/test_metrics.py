"""ConfusionMatrix against loops over pixels."""

import math

import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.metrics import ConfusionMatrix


def draw(shape, classes, ignored=(255,), seed=0, dtype="uint8"):
    rng = np.random.default_rng(seed)
    labels = rng.choice([*range(classes), *ignored], shape).astype(dtype)
    wrong = rng.integers(0, classes, shape)
    predictions = np.where(rng.random(shape) < 0.6, labels, wrong)
    return labels, np.minimum(predictions, classes - 1).astype(dtype)


def counted(labels, predictions, classes, ignored):
    counts = [[0] * classes for _ in range(classes)]
    for true, guess in zip(labels.ravel(), predictions.ravel(), strict=True):
        if true != ignored:
            counts[true][guess] += 1
    return counts


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
@pytest.mark.parametrize("shape", [(50,), (9, 11), (2, 8, 5)])
def test_pixels_are_counted_by_class(dtype, shape):
    labels, predictions = draw(shape, 6, dtype=dtype)
    confusion = ConfusionMatrix(6)
    confusion.update(labels, predictions)
    assert confusion.counts.dtype == np.int64
    assert confusion.counts.tolist() == counted(labels, predictions, 6, 255)


def test_many_classes():
    labels, predictions = draw((40, 40), 300, (65535,), dtype="int32")
    confusion = ConfusionMatrix(300, ignore_label=65535)
    confusion.update(labels.astype("uint16"), predictions)
    assert confusion.counts.tolist() == counted(labels, predictions, 300, 65535)


def test_scores_follow_their_definitions():
    labels, predictions = draw((30, 30), 5)
    confusion = ConfusionMatrix(5)
    confusion.update(labels, predictions)
    valid = labels != 255
    ious = []
    for label in range(5):
        true, guess = (labels == label) & valid, (predictions == label) & valid
        ious.append((true & guess).sum() / (true | guess).sum())
    np.testing.assert_allclose(confusion.class_iou(), ious, rtol=1e-15)
    assert confusion.miou() == pytest.approx(np.mean(ious), rel=1e-15)
    hits = (labels == predictions)[valid].mean()
    assert confusion.pixel_accuracy() == pytest.approx(hits, rel=1e-15)


@pytest.mark.filterwarnings("error")
def test_absent_classes_by_either_convention():
    confusion = ConfusionMatrix(4)
    # class 1 is only predicted, class 2 is only in the labels, class 3 in neither
    confusion.update(np.array([0, 0, 0, 2, 255]), np.array([0, 0, 1, 0, 3]))
    np.testing.assert_array_equal(confusion.class_iou(), [2 / 4, 0, 0, np.nan])
    assert confusion.miou() == pytest.approx(0.5 / 3)
    assert confusion.miou(absent="one") == pytest.approx(1.5 / 4)
    with pytest.raises(InputError, match="zero"):
        confusion.miou(absent="zero")


@pytest.mark.filterwarnings("error")
def test_nothing_counted_gives_nan_without_a_warning():
    confusion = ConfusionMatrix(3)
    confusion.update(np.full((4, 4), 255, np.uint8), np.zeros((4, 4), np.uint8))
    assert np.isnan(confusion.class_iou()).all()
    assert math.isnan(confusion.miou())
    assert confusion.miou(absent="one") == 1.0
    assert math.isnan(confusion.pixel_accuracy())


def test_parts_merge_into_the_whole():
    labels, predictions = draw((4, 10, 10), 5)
    whole, total = ConfusionMatrix(5), ConfusionMatrix(5)
    whole.update(labels, predictions)
    for part in (slice(0, 1), slice(1, 4)):
        one = ConfusionMatrix(5)
        one.update(labels[part], predictions[part])
        total.merge(one)
    np.testing.assert_array_equal(total.counts, whole.counts)
    with pytest.raises(InputError, match="num_classes=6"):
        total.merge(ConfusionMatrix(6))


@pytest.mark.parametrize("ignore_label, said", [(255, "7, 33"), (None, "7, 33, 255")])
def test_values_that_are_no_class_are_named(ignore_label, said):
    confusion = ConfusionMatrix(7, ignore_label)
    labels = np.array([0, 6, 7, 33, 255], np.uint8)
    with pytest.raises(InputError, match=f"hold {said}, but"):
        confusion.update(labels, np.zeros(5, np.uint8))
    assert not confusion.counts.any()


def test_bad_predictions_negative_labels_and_shapes_are_refused():
    confusion = ConfusionMatrix(3)
    with pytest.raises(InputError, match="Predictions hold 3"):
        confusion.update(np.array([0]), np.array([3]))
    with pytest.raises(InputError, match="Labels hold -1"):
        confusion.update(np.array([-1]), np.array([0]))
    with pytest.raises(InputError, match=r"\(1, 2\)"):
        confusion.update(np.zeros((1, 2), int), np.zeros((2, 1), int))


def test_counts_do_not_overflow():
    confusion = ConfusionMatrix(2)
    confusion.counts[0, 0] = 2**40
    confusion.update(np.array([0, 1]), np.array([0, 0]))
    assert confusion.counts.tolist() == [[2**40 + 1, 0], [1, 0]]
