"""overlay against the formula, pixel by pixel."""

import numpy as np
import pytest

from harness.pixel_model import random_images
from keras_lraspp.visualize import overlay, region_borders

PALETTE = ((128, 64, 128), (244, 35, 232), (0, 0, 142))


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
