"""Which images a report shows, against a ranking done image by image."""

import numpy as np
import pytest

from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.report.examples import (
    best_and_worst,
    describe_image,
    image_mious,
    wrong_shares,
)


def test_the_miou_of_each_image_alone():
    rng = np.random.default_rng(0)
    labels, guess = rng.integers(0, 3, (2, 5, 6, 7))
    labels[3] = 255
    confusion = ImageConfusion(4)
    confusion.update(labels, guess)
    for index, found in enumerate(image_mious(confusion.areas)):
        alone = ImageConfusion(4)
        alone.update(labels[index], guess[index])
        assert found == pytest.approx(alone.miou(), nan_ok=True)
    shares = [np.mean(guess[i] != labels[i]) for i in range(5)]
    shares[3] = np.nan
    np.testing.assert_allclose(wrong_shares(confusion.areas), shares)
    assert np.isnan(image_mious(confusion.areas)).tolist() == [False] * 3 + [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("mious", "best", "worst"),
    [
        ([], [], []),
        ([0.5], [0], []),
        ([0.1, np.nan, 0.2, 0.3], [3, 2], [0]),
        ([0.5, 0.5, 0.5, 0.5], [0, 1], [3, 2]),
        (np.linspace(0, 1, 20), [19, 18, 17, 16], [0, 1, 2, 3]),
    ],
)
def test_best_first_and_worst_first_and_none_in_both(mious, best, worst):
    assert best_and_worst(np.array(mious, float)) == (best, worst)


def test_what_an_image_is_scored_by():
    labels = np.array([[[0] * 6 + [1] * 4], [[2] * 10]])
    confusion = ImageConfusion(5)
    confusion.update(labels, np.array([[[0] * 3 + [3, 4, 4] + [1] * 4], [[2] * 10]]))
    notes = [describe_image(areas, "abcde") for areas in confusion.areas]
    assert notes == [
        "30.0 % of its pixels are wrong · 4 classes in labels or prediction, lowest "
        "IoU: e 0.0, d 0.0",
        "0.0 % of its pixels are wrong · 1 class in labels or prediction",
    ]
