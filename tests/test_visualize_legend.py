"""The legend names what is there, in its colour."""

import numpy as np

from keras_lraspp import visualize as legend
from keras_lraspp.inference import with_legend

NAMES = ("road", "sky", "car", "tree")
PALETTE = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (107, 142, 35))


def colors_in(strip):
    return {tuple(color) for color in strip.reshape(-1, 3).tolist()}


def test_only_classes_of_the_picture_are_shown():
    strip = legend(np.array([0, 2, 255]), NAMES, PALETTE, width=300)
    assert strip.dtype == np.uint8
    assert strip.shape[1:] == (300, 3)
    assert {PALETTE[0], PALETTE[2]} <= colors_in(strip)
    assert not {PALETTE[1], PALETTE[3]} & colors_in(strip)


def test_names_that_do_not_fit_go_to_another_row():
    wide = legend(np.arange(4), NAMES, PALETTE, width=600)
    narrow = legend(np.arange(4), NAMES, PALETTE, width=90)
    assert narrow.shape[0] == 4 * wide.shape[0]
    assert set(PALETTE) <= colors_in(narrow)


def test_the_names_are_written():
    named = legend(np.array([0]), NAMES, PALETTE, width=200)
    other = legend(np.array([0]), ("edge",), PALETTE, width=200)
    nameless = legend(np.array([0]), ("",), PALETTE, width=200)
    assert (named != nameless).any(axis=-1).sum() > 20
    assert (named != other).any()


def test_no_class_no_strip():
    strip = legend(np.array([255]), NAMES, PALETTE, width=50)
    assert strip.shape == (0, 50, 3)


def test_a_picture_stands_unchanged_above_its_legend():
    picture = np.random.default_rng(0).integers(0, 256, (40, 300, 3), np.uint8)
    labels = np.zeros((40, 300), np.uint8)
    labels[5:, 9] = 3
    whole = with_legend(picture, labels, NAMES, PALETTE)
    assert whole.shape[1] == 300
    np.testing.assert_array_equal(whole[:40], picture)
    np.testing.assert_array_equal(
        whole[40:], legend(labels, NAMES, PALETTE, width=300, font_size=13)
    )


def test_beside_a_narrow_picture_names_are_not_cut_off():
    picture = np.full((5, 2, 3), 7, np.uint8)
    whole = with_legend(picture, np.arange(4), NAMES, PALETTE)
    assert (whole[:5, :2] == 7).all() and (whole[:5, 2:] == 255).all()
    assert (whole[5:, -4:] == 255).all()  # paper to the right of the longest name
    assert {*PALETTE} <= colors_in(whole)


def test_letters_grow_with_the_picture():
    heights = {
        width: with_legend(
            np.zeros((1, width, 3), np.uint8), np.array([0]), NAMES, PALETTE
        ).shape[0]
        - 1
        for width in (200, 480, 1024, 2048, 9000)
    }
    assert heights == {200: 23, 480: 23, 1024: 28, 2048: 56, 9000: 70}
