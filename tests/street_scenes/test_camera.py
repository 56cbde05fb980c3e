"""The camera against geometry done by hand."""

import numpy as np
import pytest

from keras_lraspp.street_scenes.camera import NEAR, Camera, place_camera


def test_points_project_by_similar_triangles():
    camera = Camera(focal=400.0, centre=256.0, horizon=100.0, eye=1.5)
    # 2 m to the right on the ground, 10 m ahead: 80 right of and 60 below the axis.
    assert camera.project([(2.0, 0.0, 10.0)]) == [(336.0, 160.0)]
    # At eye level everything is on the horizon.
    assert camera.project([(-3.0, 1.5, 7.0)])[0][1] == 100.0


def test_parallel_lines_meet_in_the_vanishing_point():
    camera = Camera(400.0, 256.0, 100.0, 1.5)
    far = camera.project([(-3.0, 0.0, 1e7), (3.0, 4.0, 1e7)])
    assert np.allclose(far, (256.0, 100.0), atol=1e-2)


def test_what_is_too_near_is_cut_off_on_the_plane():
    camera = Camera(400.0, 256.0, 100.0, 1.5)
    road = [(-3.0, 0.0, -5.0), (3.0, 0.0, -5.0), (3.0, 0.0, 50.0), (-3.0, 0.0, 50.0)]
    outline = camera.project_polygon(road)
    nearest = [(-3.0, 0.0, NEAR), (3.0, 0.0, NEAR)]
    for corner in camera.project(nearest):
        assert min(np.hypot(*np.subtract(corner, point)) for point in outline) < 1e-6
    assert max(v for _, v in outline) == pytest.approx(100 + 400 * 1.5 / NEAR)


@pytest.mark.parametrize(("height", "width"), [(256, 512), (300, 300), (128, 384)])
def test_one_scene_at_two_sizes(height, width):
    options = {"zoom": 0.8, "pan": 0.55, "tilt": 0.4, "eye": 1.5}
    small = place_camera(height, width, **options)
    large = place_camera(2 * height, 2 * width, **options)
    points = [(1.0, 0.5, 9.0), (-4.0, 3.0, 20.0)]
    assert np.allclose(2 * np.array(small.project(points)), large.project(points))
    assert np.allclose(small.scaled(2), large)
