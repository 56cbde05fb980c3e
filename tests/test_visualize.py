"""Colours of labels, overlays and legends, pixel by pixel."""

import numpy as np
import pytest

from harness.pixel_model import random_images
from keras_lraspp.visualize import (
    colorize,
    legend,
    overlay,
    region_borders,
    rgb_picture,
    with_legend,
)

PALETTE = ((128, 64, 128), (244, 35, 232), (0, 0, 142))


NAMES = ("road", "sky", "car", "tree")
LEGEND_PALETTE = ((128, 64, 128), (70, 130, 180), (0, 0, 142), (107, 142, 35))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64", "uint16"])
def test_each_class_has_its_colour_and_the_rest_is_black(dtype):
    values = [0, 1, 2, 3, 200, 255]
    if not dtype.startswith("u"):
        values += [-1, -256, 70_000]
    labels = np.array([values, values[::-1]], dtype)
    painted = colorize(labels, PALETTE)
    assert painted.dtype == np.uint8
    for place in np.ndindex(labels.shape):
        known = 0 <= labels[place] < 3
        expected = PALETTE[labels[place]] if known else (0, 0, 0)
        assert tuple(painted[place]) == expected


@pytest.mark.parametrize(
    ("channels", "shown"),
    [(1, (0, 0, 0)), (2, (0, 0, 0)), (3, (0, 1, 2)), (4, (0, 1, 2)), (6, (0, 1, 2))],
)
def test_of_any_number_of_channels_three_are_shown(channels, shown):
    images = np.arange(2 * 3 * 4 * channels, dtype=np.uint8)
    images = images.reshape(2, 3, 4, channels)
    picture = rgb_picture(images)
    assert picture.tolist() == np.stack([images[..., k] for k in shown], -1).tolist()
    labels = np.array([[0, 1, 2, 9]] * 3)
    expected = overlay(picture[0], labels, PALETTE)
    assert overlay(images[0], labels, PALETTE).tolist() == expected.tolist()


@pytest.mark.parametrize("count", [255, 256, 300])
def test_large_palettes(count):
    palette = [(label % 256, label // 256, 9) for label in range(count)]
    labels = np.arange(256, dtype=np.uint8)[None]
    expected = [palette[label] if label < count else (0, 0, 0) for label in range(256)]
    np.testing.assert_array_equal(colorize(labels, palette), [expected])


@pytest.fixture
def scene():
    labels = np.random.default_rng(1).integers(0, 3, (6, 8)).repeat(3, 0).repeat(3, 1)
    labels = labels.astype(np.uint8)
    labels[:4, :5] = 255
    return random_images(18, 24), labels


@pytest.mark.parametrize("opacity", [0.0, 0.3, 0.5, 1.0])
def test_colours_are_blended_over_the_image(scene, opacity):
    image, labels = scene
    blended = overlay(image, labels, PALETTE, opacity, borders=False)
    assert blended.dtype == np.uint8
    colors = np.array([*PALETTE, *[(0, 0, 0)] * 253])[labels]
    expected = image * (1 - opacity) + colors * opacity
    expected[labels == 255] = image[labels == 255]
    # opacity is a multiple of 1/256, and the result is rounded
    assert np.abs(blended - expected).max() <= 1.0
    if opacity in (0.0, 1.0):
        np.testing.assert_array_equal(blended, expected)


def test_lines_run_along_the_regions_and_nowhere_else(scene):
    image, labels = scene
    plain = overlay(image, labels, PALETTE, borders=False)
    lined = overlay(image, labels, PALETTE)
    for y, x in np.ndindex(labels.shape):
        right = x + 1 < labels.shape[1] and labels[y, x + 1] != labels[y, x]
        below = y + 1 < labels.shape[0] and labels[y + 1, x] != labels[y, x]
        if right or below:
            assert lined[y, x].min() >= 170  # light, whatever the class
        else:
            np.testing.assert_array_equal(lined[y, x], plain[y, x])


def test_wide_borders():
    labels = np.zeros((5, 9), np.uint8)
    labels[:, 6:] = 1
    border = region_borders(labels, width=3)
    np.testing.assert_array_equal(border, np.arange(9)[None].repeat(5, 0) // 3 == 1)


def test_sizes_and_opacity_are_checked(scene):
    image, labels = scene
    with pytest.raises(ValueError, match=r"\(17, 24\)"):
        overlay(image, labels[1:], PALETTE)
    with pytest.raises(ValueError, match="1.5"):
        overlay(image, labels, PALETTE, opacity=1.5)


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
    narrow = legend(np.arange(4), NAMES, LEGEND_PALETTE, width=90)
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
