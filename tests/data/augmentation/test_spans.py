"""Which pixels of the source a crop needs, against fractions and plain Python."""

import math
from fractions import Fraction

import numpy as np
import pytest
import tensorflow as tf

from keras_lraspp.data.augmentation.scale_crop import Span, random_span, source_window

SCALES = [Fraction(text) for text in ("1/2", "3/4", "1", "5/4", "7/4", "2", "3/10")]


def step_of(scale):
    return tf.constant([scale.numerator, scale.denominator])


def windows_of(side, scaled, scale, places):
    """`source_window` of many crops at once: a row for each (offset, length)."""
    offset, length = (tf.constant(column) for column in zip(*places, strict=True))
    found = source_window(Span(side, scaled, offset, length), step_of(scale))
    return np.stack([np.broadcast_to(column, len(places)) for column in found], axis=1)


def taps(place, side, scaled):
    """The two source pixels that a scaled one is interpolated from, not cut at ends."""
    at = (place + Fraction(1, 2)) * Fraction(side, scaled) - Fraction(1, 2)
    return math.floor(at), math.floor(at) + 1, at


@pytest.mark.parametrize("scale", SCALES, ids=str)
@pytest.mark.parametrize("side", [1, 2, 12, 20, 33])
def test_the_window_has_all_that_the_crop_needs_and_lies_on_the_same_grid(side, scale):
    scaled = max(round(side * scale), 1)
    lengths = sorted({1, min(5, scaled), scaled})
    places = [(o, n) for n in lengths for o in range(scaled - n + 1)]
    rows = windows_of(side, scaled, scale, places).tolist()
    for (offset, length), (start, end, first, count) in zip(places, rows, strict=True):
        assert 0 <= start < end <= side
        assert first <= offset and offset + length <= first + count <= scaled
        for place in (offset, offset + length - 1):
            low, high, at = taps(place, side, scaled)
            # Scaled alone, the window is interpolated at the same points; at its ends,
            # where neighbours are missing, only if these are ends of the source.
            own_low, own_high, own_at = taps(place - first, end - start, count)
            assert own_at + start == at
            assert start == 0 or own_low >= 0
            assert end == side or own_high < end - start
            assert start <= place * side // scaled < end  # of the label


@pytest.mark.parametrize(
    ("side", "scaled", "scale", "place", "expected"),
    [
        # Half the size: two source pixels for each of 3..7, and one step around them.
        (100, 50, "1/2", (3, 5), (4, 18, 2, 7)),
        # Double: source pixels 1..3 under 3..7, and one step around them.
        (50, 100, "2", (3, 5), (0, 5, 0, 10)),
        # Five for four: the steps 1 and 2 lie under 7..13, and one around them.
        (40, 50, "5/4", (7, 7), (0, 16, 0, 20)),
        # One pixel, in the middle, at the beginning and at the end.
        (9, 9, "1", (4, 1), (3, 6, 3, 3)),
        (9, 9, "1", (0, 1), (0, 2, 0, 2)),
        (9, 9, "1", (8, 1), (7, 9, 7, 2)),
        # All of it.
        (100, 50, "1/2", (0, 50), (0, 100, 0, 50)),
        # The side was rounded, so that there is no exact grid.
        (33, 16, "1/2", (3, 5), (0, 33, 0, 16)),
    ],
)
def test_windows_by_hand(side, scaled, scale, place, expected):
    (row,) = windows_of(side, scaled, Fraction(scale), [place])
    assert tuple(row.tolist()) == expected


@pytest.mark.parametrize("scale", [Fraction(1, 2), Fraction(1), Fraction(2)], ids=str)
def test_the_window_of_the_recipe_is_little_larger_than_the_crop(scale):
    """Of 2048 columns at scale 2 a crop of 1024 needs 512, and six more at most."""
    scaled = int(2048 * scale)
    places = [(offset, 1024) for offset in range(0, scaled - 1024 + 1, 37)]
    rows = windows_of(2048, scaled, scale, places)
    most = 1024 / scale + 3 * scale.denominator
    assert (rows[:, 1] - rows[:, 0]).max() <= most


@pytest.mark.parametrize(
    ("side", "scale", "scaled"),
    [
        (20, "1/2", 10),
        (21, "1/2", 10),  # 10.5 goes to the even number, as in NumPy and Python
        (23, "1/2", 12),
        (20, "2", 40),
        (7, "3/4", 5),
        (1, "3/10", 1),  # at least a pixel
    ],
)
def test_the_side_is_scaled_and_rounded(side, scale, scaled):
    assert scaled == max(round(side * Fraction(scale)), 1)
    step = step_of(Fraction(scale))
    span = random_span(tf.constant(side), step, 4, tf.constant([1, 2]))
    assert (int(span.side), int(span.scaled)) == (side, scaled)
    assert int(span.length) == min(scaled, 4)  # a crop that is larger is cut


def test_all_places_are_as_likely_and_follow_from_the_seed():
    @tf.function
    def offset(seed):
        step = tf.constant([1, 2])
        return random_span(tf.constant(16), step, 4, tf.stack([seed, 7])).offset

    offsets = [int(offset(seed)) for seed in tf.range(500)]
    counts = np.bincount(offsets, minlength=5)
    assert len(counts) == 5 and counts.min() > 70 and counts.max() < 130
    assert offsets[:20] == [int(offset(seed)) for seed in tf.range(20)]


def test_a_crop_as_large_as_the_source_has_one_place():
    for length in (8, 9, 1000):
        span = random_span(tf.constant(8), tf.constant([1, 1]), length, [3, 4])
        assert (int(span.offset), int(span.length)) == (0, 8)
