"""Legends: names, colours and shares of the classes, in order and at their places."""

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from keras_lraspp.legends import class_counts, legend, share_text, with_legend

NAMES = ("road", "sky", "car", "tree")
LEGEND_PALETTE = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (107, 142, 35))


def colors_in(strip):
    return {tuple(color) for color in strip.reshape(-1, 3).tolist()}


def test_only_classes_of_the_picture_are_shown():
    strip = legend(np.array([0, 2, 255]), NAMES, LEGEND_PALETTE, width=300)
    assert strip.dtype == np.uint8
    assert strip.shape[1:] == (300, 3)
    assert {LEGEND_PALETTE[0], LEGEND_PALETTE[2]} <= colors_in(strip)
    assert not {LEGEND_PALETTE[1], LEGEND_PALETTE[3]} & colors_in(strip)


def test_names_that_do_not_fit_go_to_another_row():
    wide = legend(np.arange(4), NAMES, LEGEND_PALETTE, width=600)
    narrow = legend(np.arange(4), NAMES, LEGEND_PALETTE, width=130)
    assert narrow.shape[0] == 4 * wide.shape[0]
    assert set(LEGEND_PALETTE) <= colors_in(narrow)


def test_the_names_are_written():
    named = legend(np.array([0]), NAMES, LEGEND_PALETTE, width=200)
    other = legend(np.array([0]), ("edge",), LEGEND_PALETTE, width=200)
    nameless = legend(np.array([0]), ("",), LEGEND_PALETTE, width=200)
    assert (named != nameless).any(axis=-1).sum() > 20
    assert (named != other).any()


def test_no_class_no_strip():
    strip = legend(np.array([255]), NAMES, LEGEND_PALETTE, width=50)
    assert strip.shape == (0, 50, 3)


def test_a_picture_stands_unchanged_above_its_legend():
    picture = np.random.default_rng(0).integers(0, 256, (40, 300, 3), np.uint8)
    labels = np.zeros((40, 300), np.uint8)
    labels[5:, 9] = 3
    whole = with_legend(picture, labels, NAMES, LEGEND_PALETTE)
    assert whole.shape[1] == 300
    np.testing.assert_array_equal(whole[:40], picture)
    np.testing.assert_array_equal(
        whole[40:], legend(labels, NAMES, LEGEND_PALETTE, width=300, font_size=13)
    )


def test_beside_a_narrow_picture_names_are_not_cut_off():
    picture = np.full((5, 2, 3), 7, np.uint8)
    whole = with_legend(picture, np.arange(4), NAMES, LEGEND_PALETTE)
    assert (whole[:5, :2] == 7).all() and (whole[:5, 2:] == 255).all()
    assert (whole[5:, -4:] == 255).all()  # paper to the right of the longest name
    assert {*LEGEND_PALETTE} <= colors_in(whole)


def test_letters_grow_with_the_picture():
    heights = {
        width: with_legend(
            np.zeros((1, width, 3), np.uint8), np.array([0]), NAMES, LEGEND_PALETTE
        ).shape[0]
        - 1
        for width in (200, 480, 1024, 2048, 9000)
    }
    assert heights == {200: 23, 480: 23, 1024: 28, 2048: 56, 9000: 70}


def test_pixels_of_each_class_are_counted():
    labels = np.array([[0, 2, 2], [255, -1, 3]])
    assert class_counts(labels, 4).tolist() == [1, 0, 2, 1]
    assert class_counts(labels[:1].astype(np.uint8), 2).tolist() == [1, 0]


def places(strip):
    """The classes whose swatches are in a strip, from left to right, row by row."""
    found = {}
    for label, color in enumerate(LEGEND_PALETTE):
        rows, columns = np.nonzero((strip == color).all(-1))
        if len(rows):
            found[label] = (rows.min(), columns.min())
    return found


def in_order(strip):
    return sorted(places(strip), key=places(strip).get)


def test_the_largest_class_stands_first():
    labels = np.repeat([3, 1, 0, 255], [5, 60, 15, 20])
    for width in (100, 600):
        strip = legend(labels, NAMES, LEGEND_PALETTE, width=width)
        assert in_order(strip) == [1, 0, 3]


def test_a_share_stands_beside_the_name():
    """The strip is what Pillow draws of the two texts, and nothing else."""
    labels = np.repeat([2, 255], [123, 877])
    strip = legend(labels, NAMES, LEGEND_PALETTE, width=200)
    font, expected = ImageFont.load_default(16), Image.new("RGB", (200, 28), "white")
    draw = ImageDraw.Draw(expected)
    draw.rounded_rectangle((8, 6, 23, 21), 3, fill=LEGEND_PALETTE[2])
    style = {"font": font, "fill": (34, 34, 34)}
    draw.text((28, 14), "car", anchor="lm", **style)
    end = 28 + np.ceil(font.getlength("car")) + 8 + np.ceil(font.getlength("12.3 %"))
    draw.text((int(end), 14), "12.3 %", anchor="rm", **style)
    np.testing.assert_array_equal(strip, np.array(expected))


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0.0 %"),
        (0.0004, "<0.1 %"),
        (0.0005, "0.1 %"),
        (0.5, "50.0 %"),
        (1, "100.0 %"),
    ],
)
def test_shares_are_written(share, text):
    assert share_text(share) == text


def test_in_a_video_each_class_keeps_its_place():
    frames = (np.array([2]), np.arange(4), np.repeat([3, 0], [1, 9999]), np.array([9]))
    strips = [
        legend(labels, NAMES, LEGEND_PALETTE, width=330, every=True)
        for labels in frames
    ]
    assert len({strip.shape for strip in strips}) == 1
    assert all(places(strip) == places(strips[0]) for strip in strips)
    assert in_order(strips[0]) == [0, 1, 2, 3]
    assert (strips[0] != strips[1]).any()  # the shares


def test_entries_fill_no_more_than_the_width():
    for width in range(130, 700, 19):
        strip = legend(np.arange(4), NAMES, LEGEND_PALETTE, width=width)
        assert (strip[:, -4:] == 255).all()
