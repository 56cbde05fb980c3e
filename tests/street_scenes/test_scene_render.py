"""Haze and shadow against the formulas, on a canvas with one plain road."""

import random

import numpy as np
import pytest

from keras_lraspp.street_scenes import scene as scene_module
from keras_lraspp.street_scenes.camera import Camera, Light
from keras_lraspp.street_scenes.canvas import Canvas, ground
from keras_lraspp.street_scenes.scene import Sensor, render_image

HEIGHT, WIDTH, EYE, FOCAL, HORIZON = 100, 160, 1.5, 150.0, 40.0
ROAD, SKY_LOW = (80.0, 60.0, 40.0), (200.0, 210.0, 220.0)


@pytest.fixture(autouse=True)
def plain_sensor(monkeypatch):
    sensor = Sensor(1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0)
    monkeypatch.setattr(scene_module, "choose_sensor", lambda rng: sensor)


def canvas_with_road(haze):
    towards_sun = (0.0, 0.8, -0.6)
    sun, ambient = (0.5, 0.5, 0.5), (0.6, 0.6, 0.6)
    light = Light(towards_sun, sun, ambient, (90, 130, 200), SKY_LOW, 0.0, haze)
    camera = Camera(FOCAL, WIDTH / 2, HORIZON, EYE)
    canvas = Canvas(camera, light, HEIGHT, WIDTH)
    corners = ((-90, 0, 1.3), (90, 0, 1.3), (90, 0, 900), (-90, 0, 900))
    canvas.annotate("road", canvas.polygon(corners, ROAD, ground(EYE)))
    return canvas


@pytest.mark.parametrize("haze", [0.0, 0.004, 0.03])
def test_distance_fades_into_the_low_sky(haze):
    image = render_image(canvas_with_road(haze), random.Random(0)).astype(float)
    rows = np.arange(int(HORIZON) + 3, HEIGHT)
    depth = EYE * FOCAL / (rows + 0.5 - HORIZON)
    clear = np.exp(-haze * depth)[:, None]
    expected = clear * ROAD + (1 - clear) * 0.94 * np.array(SKY_LOW)
    # A pixel near the horizon spans several metres.
    np.testing.assert_allclose(image[rows, WIDTH // 2], expected, atol=2.5)


def test_shadow_takes_the_sun_and_lies_opposite_to_it():
    canvas = canvas_with_road(0.0)
    # A rod of 2 m at 10 m: the sun stands behind the camera, the shadow falls away.
    rod = [(x, y, 10.0) for x in (-0.5, 0.5) for y in (0.0, 2.0)]
    canvas.add_shadow(rod)
    image = render_image(canvas, random.Random(0)).astype(float)[:, WIDTH // 2]
    # It ends where the ray over the tip meets the ground: 2 m / tan(elevation) on.
    ends = 10.0 + 2.0 * 0.6 / 0.8
    near, far = HORIZON + EYE * FOCAL / 10.0, HORIZON + EYE * FOCAL / ends
    dark = image[int(far) + 2 : int(near) - 1]
    left = (0.6 / (0.6 + 0.5 * 0.8)) * np.array(ROAD)
    np.testing.assert_allclose(dark, np.broadcast_to(left, dark.shape), atol=2)
    for part in (image[int(HORIZON) + 3 : int(far) - 2], image[int(near) + 3 :]):
        np.testing.assert_allclose(part, np.broadcast_to(ROAD, part.shape), atol=2)


def test_sky_fills_what_nothing_covers():
    image = render_image(canvas_with_road(0.0), random.Random(0)).astype(float)
    sky = image[: int(HORIZON) - 1]
    # Pale at the horizon, deeper above.
    np.testing.assert_allclose(sky[-1].mean(axis=0), SKY_LOW, atol=12)
    red = sky[..., 0].mean(axis=1)
    assert (np.diff(red) > -0.5).all() and red[0] < red[-1] - 20
