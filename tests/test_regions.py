"""Contours against the geometry of straight borders, regions against SciPy's."""

import numpy as np
import pytest

from keras_lraspp.regions import contour_coverage, without_small_regions


def half_plane(angle, size=80):
    """Labels of the two sides of a straight border, and the distance from it."""
    y, x = np.mgrid[:size, :size] + 0.5 - size / 2 - 0.3
    distance = x * np.cos(angle) + y * np.sin(angle)
    return (distance > 0).astype(np.uint8), np.abs(distance)


@pytest.mark.parametrize("width", [1.5, 2.0])
@pytest.mark.parametrize("degrees", [0, 7, 20, 30, 45, 60, 83, 90, 135])
def test_a_line_covers_what_its_distance_says(degrees, width):
    labels, distance = half_plane(np.radians(degrees))
    inner = (slice(10, -10),) * 2
    covered = contour_coverage(labels, width)[inner] / 255
    distance = distance[inner]
    assert not covered[distance > width / 2 + 1.1].any()
    assert covered[distance < 0.6].min() > 0.5
    exact = np.clip(width / 2 + 0.5 - distance, 0, 1)
    assert np.abs(covered - exact)[distance < 3].mean() < 0.13
    # Its length times its width, whatever way it runs.
    length = (distance < 1).sum() / 2
    assert covered.sum() / length == pytest.approx(width, rel=0.12)


def test_steps_are_smoothed():
    """Beside a border of 1 in 10, no pixel is far from its neighbour in the row."""
    labels, _ = half_plane(np.arctan2(10, 1))
    covered = contour_coverage(labels, 1.5)[10:-10, 10:-10].astype(int)
    assert len(np.unique(covered)) > 6  # a line of whole pixels has two
    assert np.abs(np.diff(covered, axis=1)).max() < 128


def test_without_borders_there_is_no_line():
    assert not contour_coverage(np.full((5, 9), 7), 2.0).any()
    assert contour_coverage(np.zeros((1, 1), np.uint8), 2.0).shape == (1, 1)


def regions_of(labels):
    """The regions, by SciPy: number of pixels, class and mask of each."""
    ndimage = pytest.importorskip("scipy.ndimage")
    for value in np.unique(labels):
        numbered, count = ndimage.label(labels == value)
        for number in range(1, count + 1):
            yield value, numbered == number


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int64"])
@pytest.mark.parametrize("seed", range(8))
def test_exactly_the_small_regions_change(seed, dtype):
    random = np.random.default_rng(seed)
    shape = random.integers(1, 30, 2)
    labels = random.integers(0, 3, shape).repeat(2, 0).repeat(2, 1).astype(dtype)
    smallest = int(random.integers(2, 30))
    shown = without_small_regions(labels, smallest)
    assert shown.dtype == dtype
    regions = [*regions_of(labels)]
    if max(mask.sum() for _, mask in regions) < smallest:
        np.testing.assert_array_equal(shown, labels)
        return
    for value, mask in regions:
        if mask.sum() >= smallest:
            assert (shown[mask] == value).all()
        else:
            assert len(np.unique(shown[mask])) == 1
    for _, mask in regions_of(shown):
        assert mask.sum() >= smallest


def test_a_small_region_goes_to_the_class_around_most_of_it():
    labels = np.repeat([[1, 5]], 8, 0).repeat(6, 1)
    labels[3:5, 4:7] = 3  # 4 sides of 10 to class 5, 6 to class 1
    expected = np.repeat([[1, 5]], 8, 0).repeat(6, 1)
    expected[3:5, 4:7] = 1
    np.testing.assert_array_equal(without_small_regions(labels, 7), expected)
    assert without_small_regions(labels, 6) is labels


def test_a_small_region_within_a_small_one():
    labels = np.zeros((20, 20), np.uint8)
    labels[5:10, 5:10] = 1
    labels[7, 7] = 2
    assert not without_small_regions(labels, 30).any()


def test_a_region_may_wind():
    """A spiral of one pixel's width is one region, though its runs join late."""
    labels = np.zeros((41, 41), np.uint8)
    for ring in range(0, 20, 2):
        labels[ring, ring : 41 - ring] = 1
        labels[40 - ring, ring : 41 - ring] = 1
        labels[ring : 41 - ring, ring] = 1
        labels[ring : 41 - ring, 40 - ring] = 1
        labels[ring + 1, ring : ring + 2] = 0, 1  # open the ring, on to the next
        labels[ring + 2, ring + 1] = 1
    sizes = sorted(int(mask.sum()) for _, mask in regions_of(labels))
    shown = without_small_regions(labels, sizes[-1])
    assert len(np.unique(shown)) == 1
