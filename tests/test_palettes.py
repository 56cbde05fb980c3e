"""Colours of pictures: how far apart they are for readers of each kind of vision."""

import itertools

import numpy as np
import pytest

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.palettes import picture_palette
from keras_lraspp.visualize import overlay

# Machado, Oliveira and Fernandes, "A Physiologically-based Model for Simulation of
# Color Vision Deficiency", 2009: severity 1.0, applied to linear RGB.
VISIONS = {
    "full": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
# Ottosson's OKLab, 2020: linear sRGB to cones, and their cube roots to L, a, b.
TO_CONES = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_LAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]
VEHICLES = ("car", "truck", "bus", "train", "motorcycle", "bicycle")
CITYSCAPES = CLASS_SETS["cityscapes"]


def oklab(colors, vision):
    colors = np.asarray(colors, float) / 255
    linear = np.where(
        colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4
    )
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    return np.cbrt(seen @ np.transpose(TO_CONES)) @ np.transpose(TO_LAB)


def closest(names, palette, vision, among=None):
    lab = dict(zip(names, oklab(palette, vision), strict=True))
    pairs = itertools.combinations(among or names, 2)
    return min(float(np.linalg.norm(lab[a] - lab[b])) for a, b in pairs)


def test_the_distance_is_that_of_the_space():
    """Ottosson gives OKLab's white as (1, 0, 0), and red's lightness as 0.628."""
    np.testing.assert_allclose(oklab([[255] * 3], "full"), [[1, 0, 0]], atol=1e-4)
    red = oklab([[255, 0, 0]], "full")[0]
    np.testing.assert_allclose(red, [0.628, 0.225, 0.126], atol=1e-3)


@pytest.mark.parametrize("data_set", ["cityscapes", "camvid"])
def test_each_two_colours_are_apart(data_set):
    names, own = CLASS_SETS[data_set]
    palette = picture_palette(CLASS_SETS[data_set])
    assert min(closest(names, palette, vision) for vision in VISIONS) > 0.09
    # Which is why there are others.
    assert min(closest(names, own, vision) for vision in VISIONS) < 0.03


@pytest.mark.parametrize("vision", VISIONS)
def test_vehicles_are_farther_apart(vision):
    palette = picture_palette(CITYSCAPES)
    assert closest(CITYSCAPES.names, palette, vision, VEHICLES) > 0.11
    assert closest(CITYSCAPES.names, CITYSCAPES.palette, vision, VEHICLES) < 0.07


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("grey", [60, 128, 200])
def test_vehicles_are_apart_at_half_opacity_over_grey(grey, vision):
    labels = np.array([[CITYSCAPES.names.index(name) for name in VEHICLES]], np.uint8)
    image = np.full((1, len(VEHICLES), 3), grey, np.uint8)
    laid = [
        closest(VEHICLES, overlay(image, labels, colors, borders=False)[0], vision)
        for colors in (picture_palette(CITYSCAPES), CITYSCAPES.palette)
    ]
    assert laid[0] > 0.04 > 0.035 > laid[1]


def test_own_colours_are_kept():
    """Of other data sets, and of classes that were given colours."""
    for name in ("ade20k", "voc2012"):
        assert picture_palette(CLASS_SETS[name]) == CLASS_SETS[name].palette
    mine = ClassSet(CITYSCAPES.names, ((1, 2, 3), *CITYSCAPES.palette[1:]))
    assert picture_palette(mine) == mine.palette


def test_a_class_of_two_data_sets_has_one_colour():
    colors = dict(zip(CITYSCAPES.names, picture_palette(CITYSCAPES), strict=True))
    camvid = CLASS_SETS["camvid"]
    pairs = dict(zip(camvid.names, picture_palette(camvid), strict=True))
    assert pairs["car"] == colors["car"] and pairs["tree"] == colors["vegetation"]
    assert len(set(pairs.values())) == 11 and len(set(colors.values())) == 19
