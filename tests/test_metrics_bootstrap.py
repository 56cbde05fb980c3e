"""The interval of the mIoU against drawing image by image."""

import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.metrics import ConfusionMatrix, ImageConfusion, bootstrap_miou


def draw(images=12, classes=5, seed=0):
    """Images that are hard to a different degree; class 3 is in one only, 4 in none."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, (images, 8, 9)).astype(np.uint8)
    labels[0, :2] = 3
    labels[:, -1] = 255
    hard = rng.random((images, 1, 1))
    wrong = rng.integers(0, 3, labels.shape)
    guess = np.where(rng.random(labels.shape) < hard, labels, wrong)
    return labels, np.minimum(guess, 3)


@pytest.fixture
def confusion():
    labels, guess = draw()
    counted = ImageConfusion(5)
    counted.update(labels[:5], guess[:5])
    counted.update(labels[5:], guess[5:])
    return counted


def test_counts_and_areas_of_each_image(confusion):
    labels, guess = draw()
    whole = ConfusionMatrix(5)
    whole.update(labels, guess)
    assert confusion.counts.tolist() == whole.counts.tolist()
    assert len(confusion.areas) == 12
    for label, found, areas in zip(labels, guess, confusion.areas, strict=True):
        valid = label != 255
        pairs = [((label == c) & valid, (found == c) & valid) for c in range(5)]
        assert areas[0].tolist() == [(true & pred).sum() for true, pred in pairs]
        assert areas[1].tolist() == [(true | pred).sum() for true, pred in pairs]


@pytest.mark.parametrize("absent", ["omit", "one"])
def test_a_draw_is_scored_like_its_images_together(confusion, absent):
    labels, guess = draw()
    drawn = bootstrap_miou(np.array(confusion.areas), absent, resamples=230, seed=7)
    assert drawn.shape == (230,)
    times = np.random.default_rng(7).multinomial(12, [1 / 12] * 12, size=100)
    for index in (0, 1, 50, 99):
        chosen = np.repeat(np.arange(12), times[index])
        together = ConfusionMatrix(5)
        together.update(labels[chosen], guess[chosen])
        assert drawn[index] == pytest.approx(together.miou(absent), rel=1e-14)


def test_the_interval_holds_its_share_of_independent_draws(confusion):
    low, high = confusion.miou_interval(resamples=4000)
    assert low < confusion.miou() < high
    rng = np.random.default_rng(99)
    areas, inside = np.array(confusion.areas), 0
    for _ in range(2000):
        hits, unions = areas[rng.integers(0, 12, 12)].sum(0)
        inside += low <= np.mean(hits[unions > 0] / unions[unions > 0]) <= high
    assert inside / 2000 == pytest.approx(0.95, abs=0.02)
    narrow = confusion.miou_interval(resamples=4000, level=0.5)
    assert low < narrow[0] < narrow[1] < high


def test_the_same_seed_gives_the_same_interval(confusion):
    assert confusion.miou_interval() == confusion.miou_interval(seed=0)
    assert confusion.miou_interval() != confusion.miou_interval(seed=1)


@pytest.mark.filterwarnings("error")
def test_one_image_and_none():
    labels, guess = draw(images=1)
    one = ImageConfusion(5)
    one.update(labels, guess)
    assert one.miou_interval() == pytest.approx((one.miou(), one.miou()), rel=1e-14)
    none = ImageConfusion(5)
    assert np.isnan(none.miou_interval()).all()
    none.update(np.full((2, 3, 3), 255), np.zeros((2, 3, 3), int))
    assert np.isnan(none.miou_interval()).all()
    assert none.miou_interval("one") == (1, 1)


def test_parts_merge_and_shapes_are_checked(confusion):
    labels, guess = draw()
    whole, rest = ImageConfusion(5), ImageConfusion(5)
    whole.update(labels[:4], guess[:4])
    rest.update(labels[4:], guess[4:])
    whole.merge(rest)
    assert whole.miou_interval() == confusion.miou_interval()
    with pytest.raises(InputError, match=r"\(4, 8, 9\)"):
        whole.update(labels[:4], guess[:5])
    assert len(whole.areas) == 12
