"""Colours of labels and overlays, pixel by pixel."""

import numpy as np
import pytest

from harness.pixel_model import random_images
from keras_lraspp.visualize import colorize, overlay, rgb_picture

PALETTE = ((128, 64, 128), (244, 35, 232), (0, 0, 142))


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


def test_lines_run_along_the_regions_and_nowhere_else():
    image, labels = random_images(40, 60), np.zeros((40, 60), np.uint8)
    labels[:, 30:] = 2
    plain = overlay(image, labels, PALETTE, borders=False)
    lined = overlay(image, labels, PALETTE).astype(int)
    np.testing.assert_array_equal(lined[:, :29], plain[:, :29])
    np.testing.assert_array_equal(lined[:, 31:], plain[:, 31:])
    for column, label in ((29, 0), (30, 2)):
        # A line of 1.5 pixels covers 3 quarters of each pixel beside the border; its
        # colour is a third of the class's and two of white.
        tint = (np.array(PALETTE[label]) + 2 * 255) / 3
        expected = plain[:, column] / 4 + tint * 3 / 4
        assert np.abs(lined[:, column] - expected).max() <= 1.5


@pytest.mark.parametrize("turned", [np.flipud, np.fliplr, np.rot90])
def test_an_image_may_lie_in_the_memory_as_it_likes(turned):
    image = turned(random_images(20, 20))
    fortran = np.asfortranarray(image)
    labels = np.eye(20, dtype=np.uint8).repeat(1, 0)
    labels[8:, :] = 2
    expected = overlay(np.ascontiguousarray(image), labels, PALETTE)
    assert (expected != overlay(image, labels, PALETTE, borders=False)).any()
    np.testing.assert_array_equal(overlay(image, labels, PALETTE), expected)
    np.testing.assert_array_equal(overlay(fortran, labels, PALETTE), expected)


def test_specks_have_no_line_and_keep_their_colour():
    image, labels = random_images(40, 60), np.zeros((40, 60), np.uint8)
    labels[10:15, 10:16] = 2  # 30 pixels
    labels[20:26, 30:36] = 1  # 36
    plain = overlay(image, labels, PALETTE, borders=False)
    lined = overlay(image, labels, PALETTE)
    differ = (lined != plain).any(-1)
    assert not differ[:17, :20].any() and differ[20:26, 30].all()
    assert (plain != overlay(image, 0 * labels, PALETTE, borders=False))[12, 12].any()


def test_small_regions_are_left_out_of_the_picture():
    image, labels = random_images(40, 60), np.zeros((40, 60), np.uint8)
    labels[10:30, 10:30] = 2
    without = labels.copy()
    labels[2:5, 40:44] = 1  # 12 pixels
    labels[18:20, 15:20] = 1  # 10, inside of the other
    before = labels.copy()
    expected = overlay(image, without, PALETTE)
    np.testing.assert_array_equal(
        overlay(image, labels, PALETTE, min_region=13), expected
    )
    np.testing.assert_array_equal(labels, before)
    kept, whole = (overlay(image, labels, PALETTE, min_region=n) for n in (12, 0))
    np.testing.assert_array_equal(kept[2:5, 40:44], whole[2:5, 40:44])
    np.testing.assert_array_equal(kept[18:20, 15:20], expected[18:20, 15:20])


def test_lines_of_large_images_grow_with_them():
    """At 3000 rows they are 6 pixels wide: 3 times 2."""
    labels = np.zeros((3000, 3010), np.uint8)
    labels[:, 1500:] = 1
    image = np.zeros((3000, 3010, 3), np.uint8)
    lined = overlay(image, labels, PALETTE, opacity=0.0)
    assert (lined == lined[0]).all()
    brightness = lined[0].max(-1) / np.where(np.arange(3010) < 1500, 212, 251)
    assert brightness.sum() == pytest.approx(6, abs=0.3)
    assert not brightness[:1494].any() and not brightness[1506:].any()
    center = (brightness * (np.arange(3010) + 0.5)).sum() / brightness.sum()
    assert center == pytest.approx(1500, abs=1)


def test_sizes_and_opacity_are_checked(scene):
    image, labels = scene
    with pytest.raises(ValueError, match=r"\(17, 24\)"):
        overlay(image, labels[1:], PALETTE)
    with pytest.raises(ValueError, match="1.5"):
        overlay(image, labels, PALETTE, opacity=1.5)
