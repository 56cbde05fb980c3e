"""Where a body stands, and points in its own coordinates."""

import math
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.camera import Point3

# A body's own coordinates: metres forward, up, and to its right.
Local = tuple[float, float, float]

CIRCLE = tuple(
    (math.cos(math.tau * k / 20), math.sin(math.tau * k / 20)) for k in range(20)
)


class Pose(NamedTuple):
    """Where a body stands and which way it faces.

    Attributes:
        x: Metres to the right of the camera.
        z: Metres ahead of the camera.
        heading: 0 faces away from the camera, pi faces it, pi/2 faces right.
        level: Height of the ground it stands on, in metres.
    """

    x: float
    z: float
    heading: float = 0.0
    level: float = 0.0

    def turn(self, direction: Local) -> Point3:
        """A direction of the body in the world."""
        forward, up, right = direction
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        return (forward * sin + right * cos, up, forward * cos - right * sin)

    def place(self, point: Local) -> Point3:
        """A point of the body in the world."""
        x, y, z = self.turn(point)
        return (self.x + x, self.level + y, self.z + z)


def circle(forward: float, up: float, right: float, radius: float) -> list[Local]:
    """A circle in the plane of travel: a wheel seen from its side."""
    return [(forward + radius * c, up + radius * s, right) for c, s in CIRCLE]
