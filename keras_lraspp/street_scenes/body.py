"""Bodies that stand anywhere and turn anyhow: facets, limbs and wires."""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from keras_lraspp.street_scenes.camera import Colour, Point2, Point3
from keras_lraspp.street_scenes.canvas import Canvas, facing, rounded_hull, silhouette

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


Sphere = tuple[float, float, float, float]

_ROUND_NORMAL: Point3 = (0.0, 0.5, -0.86)

# A limb with a radius of more samples than this is shaded.
_ROUND_FROM = 3.0


class Body:
    """One object being painted; it remembers its parts for its outline."""

    def __init__(self, canvas: Canvas, pose: Pose):
        """Starts an object that stands at `pose`."""
        self.canvas, self.pose = canvas, pose
        self.parts: list[Sequence[Point2]] = []
        sin, cos = math.sin(pose.heading), math.cos(pose.heading)
        self._camera = (
            -pose.x * sin - pose.z * cos,
            canvas.camera.eye - pose.level,
            -pose.x * cos + pose.z * sin,
        )

    def facet(
        self,
        corners: Sequence[Local],
        inside: Local,
        colour: Colour,
        *,
        glows: bool = False,
        detail: bool = False,
    ) -> bool:
        """Paints a flat polygon if its outer side is towards the camera.

        Args:
            corners: The polygon, in the body's coordinates.
            inside: Any point behind the facet.
            colour: Its colour, 0..255, before light.
            glows: True for lamps, which light leaves alone.
            detail: True if the facet lies inside another and adds no outline.

        Returns:
            Whether the facet was visible.
        """
        normal = _normal(corners)
        origin = corners[0]
        if _dot(normal, origin, inside) < 0:
            normal = (-normal[0], -normal[1], -normal[2])
        if _dot(normal, self._camera, origin) <= 0:
            return False
        world = [self.pose.place(corner) for corner in corners]
        if not glows:
            colour = self.canvas.light.lit(colour, self.pose.turn(normal))
        depth = sum(point[2] for point in world) / len(world)
        outline = self.canvas.face(world, colour, facing(depth))
        if not detail:
            self.parts.append(outline)
        return True

    def limb(self, spheres: Sequence[Sphere], colour: Colour) -> None:
        """Paints the hull of spheres `(forward, up, right, radius)`."""
        canvas = self.canvas
        world = [self.pose.place(sphere[:3]) for sphere in spheres]
        centres = canvas.camera.project(world)
        radii = [
            sphere[3] * canvas.camera.focal / place[2]
            for sphere, place in zip(spheres, world, strict=True)
        ]
        plane = facing(world[0][2])
        lit = canvas.light.lit(colour, _ROUND_NORMAL)
        outline = rounded_hull(list(zip(centres, radii, strict=True)))
        canvas.fill(outline, canvas.surface(tuple(0.84 * c for c in lit), plane))
        self.parts.append(outline)
        if max(radii) > _ROUND_FROM:
            # The side towards the sun is brighter: the limb looks round.
            shift = 0.24 * canvas.light.towards_sun[0]
            bright = [
                ((u + shift * radius, v - 0.16 * radius), 0.66 * radius)
                for (u, v), radius in zip(centres, radii, strict=True)
            ]
            surface = canvas.surface(tuple(1.06 * c for c in lit), plane)
            canvas.fill(rounded_hull(bright), surface)

    def limbs(self, parts: Iterable[tuple[Sequence[Sphere], Colour]]) -> None:
        """Paints limbs, the farther ones first."""

        def nearness(part: tuple[Sequence[Sphere], Colour]) -> float:
            depths = [self.pose.place(sphere[:3])[2] for sphere in part[0]]
            # Steps of 15 cm: parts side by side keep the order they are listed in.
            return -round(sum(depths) / len(depths) / 0.15)

        for spheres, colour in sorted(parts, key=nearness):
            self.limb(spheres, colour)

    def wire(
        self, points: Sequence[Local], radius: float, colour: Colour, detail=False
    ) -> None:
        """Paints a bent tube; a detail lies inside other parts and adds no outline."""
        world = [self.pose.place(point) for point in points]
        outline = self.canvas.camera.project(world)
        width = self.size(2.0 * radius)
        lit = self.canvas.light.lit(colour, _ROUND_NORMAL)
        self.canvas.stroke(
            outline, width, self.canvas.surface(lit, facing(self.pose.z))
        )
        if not detail:
            self.parts.append(rounded_hull([(point, width / 2) for point in outline]))

    def size(self, metres: float) -> float:
        """How many samples a length spans where the body stands."""
        return metres * self.canvas.camera.focal / self.pose.z

    def cast(self, points: Sequence[Local], strength: float | None = None) -> None:
        """Lets the hull of some points throw a shadow (see `Canvas.cast`)."""
        self.canvas.cast([self.pose.place(point) for point in points], strength)

    def finish(self, label: str) -> None:
        """Labels everything painted since the start or the last `finish`."""
        if self.parts:
            self.canvas.claim(label, silhouette(self.parts))
        self.parts = []


def _normal(corners: Sequence[Local]) -> Local:
    (ax, ay, az), (bx, by, bz), (cx, cy, cz) = corners[0], corners[1], corners[2]
    ux, uy, uz = bx - ax, by - ay, bz - az
    vx, vy, vz = cx - ax, cy - ay, cz - az
    x, y, z = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(x * x + y * y + z * z) or 1.0
    return (x / length, y / length, z / length)


def _dot(normal: Local, point: Local, origin: Local) -> float:
    return (
        normal[0] * (point[0] - origin[0])
        + normal[1] * (point[1] - origin[1])
        + normal[2] * (point[2] - origin[2])
    )
