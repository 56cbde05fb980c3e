"""Joints of bricks and slabs against fine sampling."""

import numpy as np
import pytest

from keras_lraspp.street_scenes.textures import joint_cover


def cover(along, pitch, width, footprint):
    shape = np.ones_like(along)
    return joint_cover(along, pitch * shape, width * shape, footprint * shape)


@pytest.mark.parametrize("footprint", [0.02, 0.05])
def test_near_joints_are_the_box_filtered_pattern(footprint):
    pitch, width = 0.5, 0.03
    along = np.linspace(0, 2, 801)
    offsets = (np.arange(400) + 0.5) / 400 - 0.5
    phase = (along[:, None] + offsets * footprint) / pitch
    distance = np.abs(phase - np.round(phase)) * pitch
    expected = (distance < width / 2).mean(axis=1)
    np.testing.assert_allclose(
        cover(along, pitch, width, footprint), expected, atol=0.02
    )


@pytest.mark.parametrize("footprint", [0.4, 1.0, 5.0])
def test_far_joints_fade_into_their_mean(footprint):
    far = cover(np.linspace(0, 3, 500), 0.4, 0.04, footprint)
    np.testing.assert_allclose(far, 0.1, atol=0.02)
