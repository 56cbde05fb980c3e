"""Each kind of thing, drawn near and alone: its own classes, on the ground."""

import random
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest

from keras_lraspp.classes import CITYSCAPES
from keras_lraspp.street_scenes.body import Pose
from keras_lraspp.street_scenes.camera import Camera, choose_light
from keras_lraspp.street_scenes.canvas import Canvas
from keras_lraspp.street_scenes.large_vehicles import BUSES, TRAMS, TRUCKS
from keras_lraspp.street_scenes.people import (
    draw_bicycle,
    draw_cyclist,
    draw_motorcycle,
    draw_motorcyclist,
    draw_person,
)
from keras_lraspp.street_scenes.scenery import (
    draw_bush,
    draw_hedge,
    draw_house,
    draw_tree,
)
from keras_lraspp.street_scenes.street_furniture import (
    draw_bin,
    draw_direction_board,
    draw_fence,
    draw_lamp,
    draw_sign,
    draw_traffic_light,
    draw_wall,
)
from keras_lraspp.street_scenes.vehicles import CARS, draw_vehicle

HEIGHT, WIDTH, FOCAL, HORIZON, EYE = 200, 400, 300.0, 90.0, 1.5
NAMES = {row.id: row.name for row in CITYSCAPES}
VEHICLES = (*CARS, *BUSES, *TRUCKS, *TRAMS)


class Kind(NamedTuple):
    """A thing: how to draw it, its labels, the height (m) its label may have."""

    draw: Callable
    labels: set[str]
    low: float
    high: float


STANDING = {
    "person": Kind(draw_person, {"person"}, 1.0, 2.1),
    "cyclist": Kind(draw_cyclist, {"rider", "bicycle"}, 1.5, 2.2),
    "motorcyclist": Kind(draw_motorcyclist, {"rider", "motorcycle"}, 1.4, 2.2),
    "bicycle": Kind(draw_bicycle, {"bicycle"}, 0.8, 1.4),
    "motorcycle": Kind(draw_motorcycle, {"motorcycle"}, 0.8, 1.5),
    "bin": Kind(draw_bin, {"static"}, 0.8, 1.5),
    "lamp": Kind(draw_lamp, {"pole"}, 4.0, 9.0),
    "sign": Kind(draw_sign, {"pole", "traffic sign"}, 2.0, 5.0),
    "board": Kind(draw_direction_board, {"pole", "traffic sign"}, 2.0, 5.0),
    "light": Kind(draw_traffic_light, {"pole", "traffic light"}, 2.5, 7.0),
}
ALONG = {
    "wall": (draw_wall, "wall"),
    "fence": (draw_fence, "fence"),
    "house": (draw_house, "building"),
    "hedge": (draw_hedge, "vegetation"),
}


def empty_canvas():
    light = choose_light(random.Random(0))
    return Canvas(Camera(FOCAL, WIDTH / 2, HORIZON, EYE), light, HEIGHT, WIDTH)


def seen(canvas):
    """Names of the labels, and which pixels are labelled."""
    check_labels_cover_paint(canvas)
    ids = canvas.label_ids()
    return {NAMES[k] for k in np.unique(ids[ids > 0])}, ids > 0


def check_labels_cover_paint(canvas):
    """All paint is labelled, give or take a pixel (two samples), and little more is."""
    labelled = np.asarray(canvas.label_image) > 0
    painted = np.asarray(canvas.surface_image) > 0
    nearby = np.zeros_like(labelled)
    for rows in range(-2, 3):
        for columns in range(-2, 3):
            nearby |= np.roll(labelled, (rows, columns), (0, 1))
    assert (painted & ~nearby).sum() <= 0.02 * painted.sum()
    # A label may close gaps: between legs, pickets and spokes.
    assert painted.sum() > 0.45 * labelled.sum()


def row_of(height, depth):
    """The row that shows a height (metres) at a distance, by similar triangles."""
    return HORIZON + FOCAL * (EYE - height) / depth


@pytest.mark.parametrize("heading", [0.0, 1.2, 3.14, 4.7])
@pytest.mark.parametrize("name", STANDING)
def test_standing_thing(name, heading):
    kind, z, level = STANDING[name], 14.0, 0.13
    for seed in range(4):
        canvas = empty_canvas()
        kind.draw(canvas, Pose(0.5, z, heading, level), random.Random(seed))
        labels, labelled = seen(canvas)
        assert labels == kind.labels
        rows, columns = np.flatnonzero(labelled.any(1)), np.flatnonzero(labelled.any(0))
        # It stands on its ground, as long as it is not cut off at the top.
        reach = 1.0 if kind.draw is not draw_lamp else 0.3
        assert row_of(level, z + reach) - 2 <= rows[-1] <= row_of(level, z - reach) + 2
        if rows[0] > 0:
            metres = (row_of(level, z) - rows[0]) * z / FOCAL
            assert kind.low - 0.1 < metres < kind.high + 0.2
        at = WIDTH / 2 + FOCAL * 0.5 / z
        assert columns[0] - 2 <= at <= columns[-1] + 2


@pytest.mark.parametrize("model", VEHICLES, ids=lambda model: model.name)
def test_vehicle_has_its_size_and_class(model):
    assert {car.label for car in CARS} == {"car"}
    z = 8.0 + model.length
    for heading, across, deep in (
        (0.0, model.width, model.length),
        (np.pi, model.width, model.length),
        (np.pi / 2, model.length, model.width),
    ):
        canvas = empty_canvas()
        draw_vehicle(canvas, Pose(0.0, z, heading), model, random.Random(1))
        labels, labelled = seen(canvas)
        assert labels == {model.label}
        rows, columns = np.flatnonzero(labelled.any(1)), np.flatnonzero(labelled.any(0))
        near, far = FOCAL * across / (z - deep / 2), FOCAL * across / (z + deep / 2)
        # Ends may be rounded; no vehicle is wider than its nearest edge allows.
        assert 0.9 * min(near, far) <= columns[-1] - columns[0] + 1 <= near + 4
        assert row_of(0.5, z - deep / 2) <= rows[-1] <= row_of(0, z - deep / 2) + 2


def test_every_class_of_vehicle_is_there():
    labels = {model.label for model in VEHICLES}
    assert labels == {"car", "bus", "truck", "train"}
    for models, label in ((BUSES, "bus"), (TRUCKS, "truck"), (TRAMS, "train")):
        assert {model.label for model in models} == {label}


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("name", ALONG)
def test_what_stands_along_the_street(name, side):
    draw, label = ALONG[name]
    x, start, end = 4.0 * side, 10.0, 22.0
    canvas = empty_canvas()
    draw(canvas, x, start, end, random.Random(3))
    labels, labelled = seen(canvas)
    assert labels == {label}
    # On its side only, from the first to the last metre, down to the ground.
    columns = np.flatnonzero(labelled.any(axis=0))
    inner = WIDTH / 2 + FOCAL * x / end
    beyond = columns[0] if side > 0 else columns[-1]
    assert abs(beyond - inner) <= 4
    foot = np.flatnonzero(labelled[:, int(WIDTH / 2 + FOCAL * x / 16)])[-1]
    assert abs(foot - row_of(0, 16.0)) <= 2


@pytest.mark.parametrize("draw", [draw_tree, draw_bush])
def test_plants_stand_on_the_ground(draw):
    for seed in range(6):
        canvas = empty_canvas()
        draw(canvas, Pose(-1.0, 15.0), random.Random(seed))
        labels, labelled = seen(canvas)
        assert labels == {"vegetation"}
        foot = np.flatnonzero(labelled.any(axis=1))[-1]
        assert abs(foot - row_of(0, 15.0)) <= 3
