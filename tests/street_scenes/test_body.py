"""Outlines against brute force on a raster."""

import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from keras_lraspp.street_scenes.body import rounded_hull, silhouette
from keras_lraspp.street_scenes.canvas import clip_to_picture, convex_hull

SIZE = 240


def fill(*polygons):
    image = Image.new("L", (SIZE, SIZE))
    for polygon in polygons:
        ImageDraw.Draw(image).polygon(polygon, fill=1)
    return np.asarray(image).astype(bool)


def disc(centre, radius):
    v, u = np.mgrid[:SIZE, :SIZE]
    return np.hypot(u - centre[0], v - centre[1]) <= radius


def overlap(a, b):
    return (a & b).sum() / (a | b).sum()


def spread(mask, rows, columns):
    """Everything at most so many rows and columns away from the mask."""
    shifts = [
        (row, column)
        for row in range(-rows, rows + 1)
        for column in range(-columns, columns + 1)
    ]
    return np.logical_or.reduce([np.roll(mask, shift, (0, 1)) for shift in shifts])


@pytest.mark.parametrize("radius", [15.0, 30.0, 75.0])
def test_limb_is_every_disc_between_its_ends(radius):
    start, end = (100.0, 90.0), (150.0, 170.0)
    expected = np.zeros((SIZE, SIZE), bool)
    for t in np.linspace(0, 1, 200):
        centre = np.add(np.multiply(start, 1 - t), np.multiply(end, t))
        expected |= disc(centre, (1 - t) * 30.0 + t * radius)
    outline = rounded_hull([(start, 30.0), (end, radius)])
    assert overlap(fill(outline), expected) > 0.93


def test_limb_whose_one_end_holds_the_other():
    outline = rounded_hull([((100.0, 100.0), 60.0), ((110.0, 100.0), 20.0)])
    assert overlap(fill(outline), disc((100, 100), 60)) > 0.92


def test_hull_contains_all_points_and_is_convex():
    rng = random.Random(1)
    points = [(rng.uniform(0, 9), rng.uniform(0, 9)) for _ in range(60)]
    hull = np.array(convex_hull(points))
    edges = np.roll(hull, -1, axis=0) - hull
    for point in points:
        away = point - hull
        assert (edges[:, 0] * away[:, 1] - edges[:, 1] * away[:, 0] >= -1e-9).all()
    assert {tuple(corner) for corner in hull} <= set(points)


def test_silhouette_fills_each_row_from_edge_to_edge():
    parts = [
        [(40, 20), (90, 30), (80, 110), (30, 100)],
        [(120, 60), (160, 60), (160, 150), (120, 150)],
        [(50, 90), (70, 90), (75, 180), (55, 200)],
    ]
    parts = [[tuple(map(float, corner)) for corner in part] for part in parts]
    union = fill(*parts)
    expected = np.zeros_like(union)
    for row in np.flatnonzero(union.any(axis=1)):
        seen = np.flatnonzero(union[row])
        expected[row, seen[0] : seen[-1] + 1] = True
    # Its rows lie 180 / 47 = 3.8 apart: where an edge jumps it may be that much off.
    filled = fill(silhouette(parts))
    assert overlap(filled, expected) > 0.96
    assert not (filled & ~spread(expected, 5, 1)).any()
    assert not (expected & ~spread(filled, 5, 1)).any()


def test_silhouette_of_a_box_is_the_box():
    box = [(10.0, 10.0), (110.0, 10.0), (110.0, 60.0), (10.0, 60.0)]
    assert sorted(silhouette([box])) == sorted(box)


@pytest.mark.parametrize(
    ("polygon", "area"),
    [
        ([(-10, -10), (50, -10), (50, 50), (-10, 50)], 2500),
        ([(-10, 40), (60, -30), (130, 40), (60, 110)], 0.5 * 140 * 140 - 2 * 10**2),
        ([(10, 10), (20, 10), (20, 20)], 50),
    ],
)
def test_clipping_leaves_the_part_inside(polygon, area):
    clipped = np.array(clip_to_picture(polygon, 200.0, 200.0))
    u, v = clipped.T
    shoelace = abs(np.dot(u, np.roll(v, 1)) - np.dot(v, np.roll(u, 1))) / 2
    if polygon[1] == (60, -30):
        # A diamond that sticks out at the left by 10 and at the top by 30.
        area = 0.5 * 140 * 140 - 10**2 - 30**2
    assert shoelace == pytest.approx(area)
    assert clipped.min() >= 0 and clipped.max() <= 200


def test_clipping_what_lies_outside_leaves_nothing():
    assert clip_to_picture([(-30, 5), (-10, 5), (-10, 50)], 100.0, 100.0) == []
