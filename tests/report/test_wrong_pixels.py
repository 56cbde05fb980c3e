"""Pictures of wrong pixels: which are marked, and how large TensorBoard gets them."""

import numpy as np
import pytest

from keras_lraspp.report.wrong_pixels import (
    UNLABELLED,
    WRONG,
    mark_pixels,
    prediction_sheet,
    wrong_marks,
    wrong_pixels,
)

PALETTE = ((255, 0, 0), (0, 255, 0))


def test_wrong_is_what_has_a_label_and_another_class():
    labels = np.array([[0, 0, 1, 1, 255, -1]])
    guess = np.array([[0, 1, 0, 1, 0, 1]])
    expected = [[False, True, True, False, False, False]]
    assert wrong_pixels(labels, guess, 2).tolist() == expected
    picture = np.full((1, 6, 3), (200, 100, 50), np.uint8)
    marked = mark_pixels(picture, wrong_marks(labels, guess, 2))[0]
    assert [*map(tuple, marked[[1, 2]])] == [WRONG, WRONG]
    assert [*map(tuple, marked[[4, 5]])] == [UNLABELLED, UNLABELLED]
    grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50
    np.testing.assert_allclose(marked[[0, 3]], 255 - 0.3 * (255 - grey), atol=1)


def test_a_smaller_picture_shows_the_share_that_is_wrong():
    mask = np.zeros((4, 8), bool)
    mask[0, 0] = mask[:2, 4:6] = True
    marked = mark_pixels(np.full((2, 4, 3), 255, np.uint8), [(mask, (5, 55, 155))])
    assert marked[0, 0].tolist() == pytest.approx([192.5, 205, 230], abs=1)
    assert marked[0, 2].tolist() == [5, 55, 155] and (marked[1] == 255).all()


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((4, 8), (4 * 240, 480)),  # small ones by whole steps
        ((300, 600), (1200, 600)),
        ((1024, 2048), (4 * 480, 960)),
        ((100, 100), (2 * 300, 2 * 300)),
        ((900, 600), (2 * 720, 2 * 480)),
    ],
)
def test_the_sheet_fills_the_width_that_tensorboard_gives(size, expected):
    labels = np.zeros(size, np.uint8)
    image = np.zeros((*size, 1), np.uint8)
    sheet = prediction_sheet(image, labels, labels, PALETTE)
    assert sheet.shape == (*expected, 3) and sheet.dtype == np.uint8


def test_the_sheet_has_image_truth_prediction_and_errors():
    labels = np.zeros((240, 480), np.uint8)
    image = np.full((240, 480, 3), 128, np.uint8)
    sheet = prediction_sheet(image, labels, labels + 1, PALETTE)
    assert [sheet[row, 9].tolist() for row in (100, 340, 580, 820)] == [
        [128, 128, 128],
        [192, 64, 64],
        [64, 192, 64],
        [*WRONG],
    ]
