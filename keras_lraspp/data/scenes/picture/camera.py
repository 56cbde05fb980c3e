"""The one camera of a scene: metres in, picture coordinates out."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]

# Nothing nearer than this (metres) is drawn: its projection grows without bound.
NEAR = 1.2


class Camera(NamedTuple):
    """A pinhole that looks along +z; x points right and y up, the ground is y = 0.

    Attributes:
        focal: Focal length in pixels.
        centre: Column of the vanishing point; pixel k reaches from k to k + 1, so
            that Pillow, which cuts off fractions, finds the pixel a point lies in.
        horizon: Row of the vanishing point, likewise.
        eye: Height of the camera above the ground, in metres.
    """

    focal: float
    centre: float
    horizon: float
    eye: float

    def project(self, points: Iterable[Point3]) -> list[Point2]:
        """Projects points that lie in front of the camera (z > 0)."""
        focal, centre, horizon, eye = self
        return [
            (centre + focal * x / z, horizon - focal * (y - eye) / z)
            for x, y, z in points
        ]

    def project_polygon(self, corners: Sequence[Point3]) -> list[Point2]:
        """Projects a polygon after cutting off what lies nearer than `NEAR`."""
        if min(corner[2] for corner in corners) < NEAR:
            corners = _clip_near(corners)
        return self.project(corners)

    def scaled(self, factor: float) -> "Camera":
        """The same camera over a picture with `factor` times the pixels a side."""
        focal, centre, horizon, eye = self
        return Camera(focal * factor, centre * factor, horizon * factor, eye)


def picture_camera(
    height: int, width: int, *, zoom: float, pan: float, tilt: float, eye: float
) -> Camera:
    """Places the camera so that one scene looks alike at any size and aspect.

    Args:
        height: Rows of the picture.
        width: Columns of the picture.
        zoom: Focal length over the geometric mean of the width and twice the
            height; it is the width itself for a 2:1 picture.
        pan: Column of the vanishing point as a share of the width.
        tilt: Row of the horizon as a share of the height.
        eye: Height of the camera in metres.
    """
    focal = zoom * math.sqrt(2.0 * height * width)
    return Camera(focal, pan * width, tilt * height, eye)


def _clip_near(corners: Sequence[Point3]) -> list[Point3]:
    kept = []
    for index, (x, y, z) in enumerate(corners):
        px, py, pz = corners[index - 1]
        if (z >= NEAR) != (pz >= NEAR):
            t = (NEAR - pz) / (z - pz)
            kept.append((px + t * (x - px), py + t * (y - py), NEAR))
        if z >= NEAR:
            kept.append((x, y, z))
    return kept
