"""The picture of a confusion matrix: what its cells show."""

import numpy as np
import pytest

from keras_lraspp.visualize import confusion_picture, row_shares

COUNTS = np.array([[90, 10, 0], [0, 0, 0], [3, 0, 997]])
CELL = 46


def corner(picture):
    """Top and left of the matrix: where the first long lines are."""
    line = (picture == (225, 225, 225)).all(-1)
    return np.array([(line.sum(axis) > 2 * CELL).argmax() for axis in (1, 0)])


def cell(picture, row, column):
    """A cell of three without its lines."""
    top, left = corner(picture) + CELL * np.array([row, column])
    return picture[top + 2 : top + CELL - 2, left + 2 : left + CELL - 2]


def background(part):
    colors, times = np.unique(part.reshape(-1, 3), axis=0, return_counts=True)
    return colors[times.argmax()].astype(int)


def test_shares_of_rows_without_a_warning():
    expected = [[0.9, 0.1, 0], [np.nan] * 3, [0.003, 0, 0.997]]
    np.testing.assert_allclose(row_shares(COUNTS), expected)


def test_cells_are_darker_the_larger_the_share_and_grey_without_pixels():
    picture = confusion_picture(COUNTS, ("road", "sky", "car"))
    assert picture.dtype == np.uint8
    shade = [
        background(cell(picture, *at)).sum()
        for at in [(0, 2), (2, 0), (0, 1), (0, 0), (2, 2)]
    ]
    assert shade == sorted(shade, reverse=True)
    assert len(set(shade)) == 5
    assert shade[0] == 3 * 255
    for column in range(3):
        assert (cell(picture, 1, column) == (240, 240, 240)).all()


def test_percentages_are_written_into_cells_that_have_one_percent():
    picture = confusion_picture(COUNTS, ("road", "sky", "car"))
    for row, column in np.ndindex(3, 3):
        part = cell(picture, row, column)
        written = (part != background(part)).any()
        assert written == (COUNTS[row, column] >= 10), (row, column)


def test_names_stand_beside_rows_and_above_columns():
    named = confusion_picture(COUNTS, ("road", "sky", "car"))
    other = confusion_picture(COUNTS, ("road", "sun", "car"))
    changed = np.argwhere((named != other).any(-1))
    top, left = corner(named)
    beside = changed[changed[:, 0] >= top]
    above = changed[changed[:, 0] < top]
    assert len(beside) and len(above)
    assert beside[:, 1].max() < left
    assert (beside[:, 0] - top).min() >= CELL and (beside[:, 0] - top).max() < 2 * CELL
    assert (above[:, 1] - left).min() >= CELL and (above[:, 1] - left).max() < 2 * CELL


@pytest.mark.parametrize("classes", [1, 40, 310])
def test_any_number_of_classes_fits(classes):
    names = [f"class {index}" for index in range(classes)]
    picture = confusion_picture(np.eye(classes, dtype=int), names)
    assert 100 < min(picture.shape[:2]) <= max(picture.shape[:2]) < 4300
