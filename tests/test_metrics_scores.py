"""Every score against its definition, worked out pixel by pixel."""

import numpy as np
import pytest

from keras_lraspp import metrics as scores
from keras_lraspp.errors import InputError

CLASSES = 6


@pytest.fixture(scope="module")
def pixels():
    """Labels and predictions; class 4 is never predicted, class 5 nowhere."""
    rng = np.random.default_rng(0)
    labels = rng.choice(5, 3000, p=[0.5, 0.3, 0.1, 0.07, 0.03])
    guess = np.where(rng.random(3000) < 0.6, labels, rng.integers(0, 4, 3000))
    return labels, np.minimum(guess, 3)


@pytest.fixture(scope="module")
def counts(pixels):
    table = np.zeros((CLASSES, CLASSES), np.int64)
    np.add.at(table, pixels, 1)
    return table


def per_class(pixels, formula):
    labels, guess = pixels
    return [formula(labels == label, guess == label) for label in range(CLASSES)]


def share(part, whole):
    return part.sum() / whole.sum() if whole.sum() else np.nan


@pytest.mark.parametrize(
    "score, formula",
    [
        (scores.class_iou, lambda true, found: share(true & found, true | found)),
        (scores.class_precision, lambda true, found: share(true & found, found)),
        (scores.class_recall, lambda true, found: share(true & found, true)),
        (
            scores.class_dice,
            lambda true, found: share(
                2 * (true & found), true.astype(int) + found.astype(int)
            ),
        ),
    ],
)
def test_scores_of_each_class(pixels, counts, score, formula):
    expected = per_class(pixels, formula)
    np.testing.assert_allclose(score(counts), expected, rtol=1e-14)
    assert np.isnan(score(counts)[5])


def test_precision_of_a_class_that_is_never_predicted_is_undefined(counts):
    assert np.isnan(scores.class_precision(counts)[4])
    assert scores.class_recall(counts)[4] == 0
    assert scores.class_iou(counts)[4] == 0


def test_accuracies(pixels, counts):
    labels, guess = pixels
    right = labels == guess
    assert scores.pixel_accuracy(counts) == pytest.approx(right.mean(), rel=1e-14)
    recalls = [right[labels == label].mean() for label in range(5)]
    assert scores.mean_accuracy(counts) == pytest.approx(np.mean(recalls), rel=1e-14)


def test_frequency_weighted_iou(pixels, counts):
    """Each pixel weighs in with the IoU of its class."""
    labels, guess = pixels
    iou = per_class(pixels, lambda true, found: share(true & found, true | found))
    expected = np.array(iou)[labels].mean()
    assert scores.frequency_weighted_iou(counts) == pytest.approx(expected, rel=1e-14)


def test_kappa(pixels, counts):
    """Chance is the agreement over all pairs of a label and any prediction."""
    labels, guess = pixels
    by_chance = (labels[:, None] == guess[None]).mean()
    expected = ((labels == guess).mean() - by_chance) / (1 - by_chance)
    assert scores.kappa(counts) == pytest.approx(expected, rel=1e-12)
    assert scores.kappa(np.full((3, 3), 10**12)) == pytest.approx(0, abs=1e-15)
    assert np.isnan(scores.kappa(np.diag([7, 0, 0])))  # nothing to be lucky about


def test_means_by_either_convention():
    values = np.array([[0.2, np.nan, 0.6], [np.nan, np.nan, np.nan]])
    np.testing.assert_allclose(scores.mean_of_classes(values), [0.4, np.nan])
    np.testing.assert_allclose(scores.mean_of_classes(values, "one"), [0.6, 1])
    with pytest.raises(InputError, match="zero"):
        scores.mean_of_classes(values, "zero")


def test_merged_classes_are_relabelled_pixels(pixels, counts):
    groups = np.array([1, 0, 1, 2, 0, 2])
    expected = np.zeros((3, 3), np.int64)
    np.add.at(expected, tuple(groups[part] for part in pixels), 1)
    merged = scores.merge_classes(counts, groups.tolist())
    assert merged.dtype == np.int64
    assert merged.tolist() == expected.tolist()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "score",
    [
        scores.class_iou,
        scores.class_dice,
        scores.class_precision,
        scores.class_recall,
        scores.pixel_accuracy,
        scores.mean_accuracy,
        scores.frequency_weighted_iou,
        scores.kappa,
    ],
)
def test_of_nothing_every_score_is_undefined_and_of_many_each_is_its_own(score, counts):
    empty = np.zeros((CLASSES, CLASSES), np.int64)
    assert np.isnan(score(empty)).all()
    many = score(np.stack([counts, empty, counts.T]))
    for one, several in zip((counts, empty, counts.T), many, strict=True):
        np.testing.assert_array_equal(several, score(one))
