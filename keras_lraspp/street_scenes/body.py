"""Three-dimensional bodies in any pose: facets, sphere hulls, tubes, silhouettes."""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_lraspp.street_scenes.camera import (
    Colour,
    Point3,
    Points,
    Shape,
    scale_colour,
)
from keras_lraspp.street_scenes.canvas import Canvas, convex_hull, facing

# A body's own coordinates: metres forward, up, and to its right.
Local = Point3
# Metres forward, up, right, and its radius.
Sphere = tuple[float, float, float, float]
# Centre (u, v) and radius, in samples.
_Circle = tuple[tuple[float, float], float]

SQUARE: Shape = ((-1, -1), (1, -1), (1, 1), (-1, 1))

_ROUND_NORMAL: Point3 = (0.0, 0.5, -0.86)

# A limb with a radius of more samples than this is shaded.
_SHADED_FROM = 3.0


class Pose(NamedTuple):
    """Where a body stands and which way it faces."""

    x: float  # metres to the right of the camera
    z: float  # metres ahead of the camera
    heading: float = 0.0  # 0 faces away from the camera, pi faces it, pi/2 faces right
    level: float = 0.0  # height of the ground it stands on, in metres

    def turn(self, direction: Local) -> Point3:
        """A direction of the body in the world."""
        forward, up, right = direction
        sin, cos = math.sin(self.heading), math.cos(self.heading)
        return (forward * sin + right * cos, up, forward * cos - right * sin)

    def place(self, point: Local) -> Point3:
        """A point of the body in the world."""
        x, y, z = self.turn(point)
        return (self.x + x, self.level + y, self.z + z)


class Body:
    """One object being painted; it remembers its parts for its outline."""

    def __init__(self, canvas: Canvas, pose: Pose):
        """Starts an object that stands at `pose`."""
        self.canvas, self.pose = canvas, pose
        self.parts: list[Shape] = []
        sin, cos = math.sin(pose.heading), math.cos(pose.heading)
        x, z, eye = pose.x, pose.z, canvas.camera.eye - pose.level
        self._camera = (-x * sin - z * cos, eye, -x * cos + z * sin)

    def facet(
        self, corners: Points, inside: Local, colour, *, glows=False, detail=False
    ) -> None:
        """Paints a flat polygon if its outer side is towards the camera.

        `inside` is any point behind the facet. Light leaves alone what `glows`. A
        `detail` lies inside another facet and adds no outline.
        """
        normal = _normal(corners)
        origin = corners[0]
        if _dot(normal, origin, inside) < 0:
            normal = (-normal[0], -normal[1], -normal[2])
        if _dot(normal, self._camera, origin) <= 0:
            return
        world = [self.pose.place(corner) for corner in corners]
        if not glows:
            colour = self.canvas.light.lit(colour, self.pose.turn(normal))
        depth = sum(point[2] for point in world) / len(world)
        outline = self.canvas.polygon(world, colour, facing(depth))
        if not detail:
            self.parts.append(outline)

    def limb(self, spheres: Sequence[Sphere], colour: Colour) -> None:
        """Paints the hull of some spheres."""
        canvas = self.canvas
        world = [self.pose.place(sphere[:3]) for sphere in spheres]
        centres = canvas.camera.project(world)
        focal, pairs = canvas.camera.focal, zip(spheres, world, strict=True)
        radii = [sphere[3] * focal / place[2] for sphere, place in pairs]
        plane = facing(world[0][2])
        lit = canvas.light.lit(colour, _ROUND_NORMAL)
        outline = rounded_hull(list(zip(centres, radii, strict=True)))
        canvas.fill(outline, canvas.add_surface(scale_colour(lit, 0.84), plane))
        self.parts.append(outline)
        if max(radii) > _SHADED_FROM:
            # The side towards the sun is brighter: the limb looks round.
            shift = 0.24 * canvas.light.towards_sun[0]
            bright = [
                ((u + shift * radius, v - 0.16 * radius), 0.66 * radius)
                for (u, v), radius in zip(centres, radii, strict=True)
            ]
            surface = canvas.add_surface(scale_colour(lit, 1.06), plane)
            canvas.fill(rounded_hull(bright), surface)

    def tube(self, points: Points, radius: float, colour: Colour, detail=False) -> None:
        """Paints a bent tube; a detail lies inside other parts and adds no outline."""
        line = self.canvas.camera.project([self.pose.place(point) for point in points])
        width = self.samples(2.0 * radius)
        lit = self.canvas.light.lit(colour, _ROUND_NORMAL)
        surface = self.canvas.add_surface(lit, facing(self.pose.z))
        self.canvas.stroke(line, width, surface)
        if not detail:
            self.parts.append(rounded_hull([(point, width / 2) for point in line]))

    def samples(self, metres: float) -> float:
        """How many samples a length spans where the body stands."""
        return metres * self.canvas.camera.focal / self.pose.z

    def add_shadow(self, points: Points, strength: float | None = None) -> None:
        """Lets the hull of some points throw a shadow (see `Canvas.add_shadow`)."""
        self.canvas.add_shadow([self.pose.place(point) for point in points], strength)

    def annotate(self, label: str) -> None:
        """Labels everything painted since the start or the last label."""
        if self.parts:
            self.canvas.annotate(label, silhouette(self.parts))
        self.parts = []


def _normal(corners: Points) -> Local:
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


@lru_cache
def unit_circle(points: int) -> Shape:
    """The corners of a regular polygon around the origin with radius 1."""
    angles = [math.tau * k / points for k in range(points)]
    return tuple((math.cos(angle), math.sin(angle)) for angle in angles)


def wheel_circle(forward: float, up: float, right: float, radius: float) -> list[Local]:
    """A circle in the plane of travel: a wheel seen from its side."""
    return [(forward + radius * c, up + radius * s, right) for c, s in unit_circle(20)]


def rounded_hull(circles: Sequence[_Circle]) -> Shape:
    """The convex hull of circles: a limb, a torso, a tube."""
    if len(circles) == 2:
        return _capsule(*circles)
    if len(circles) == 1:
        return _disc(*circles[0])
    # Few of many circles' corners end up in the hull.
    corners = 12 if len(circles) < 5 else 6
    return convex_hull(
        point for centre, radius in circles for point in _disc(centre, radius, corners)
    )


def _disc(centre, radius: float, corners: int = 12) -> Shape:
    # A disc of a few samples needs no more corners than this.
    if radius < 4.0:
        corners = 4 if radius < 1.5 else 6
    u, v = centre
    return [(u + radius * cos, v + radius * sin) for cos, sin in unit_circle(corners)]


def _capsule(first: _Circle, second: _Circle) -> Shape:
    """The hull of two circles: an arc of each, between their common tangents."""
    ((u0, v0), r0), ((u1, v1), r1) = first, second
    distance = math.hypot(u1 - u0, v1 - v0)
    if distance <= abs(r0 - r1) + 1e-6:
        return _disc(*max(first, second, key=lambda circle: circle[1]))
    axis = math.atan2(v1 - v0, u1 - u0)
    tangent = math.acos((r0 - r1) / distance)
    arcs = (
        (u0, v0, r0, axis + tangent, math.tau - 2 * tangent),
        (u1, v1, r1, axis - tangent, 2 * tangent),
    )
    steps = 2 if max(r0, r1) < 4.0 else 5
    return [
        (u + r * math.cos(angle), v + r * math.sin(angle))
        for u, v, r, start, sweep in arcs
        for angle in [start + sweep * k / steps for k in range(steps + 1)]
    ]


def silhouette(parts: Sequence[Shape]) -> Shape:
    """One polygon around all parts: their leftmost and rightmost edge, row by row.

    Gaps inside a row (between the legs of a walker, between two wheels) belong to
    the polygon, as they do in annotations drawn by hand.
    """
    start = np.array([point for part in parts for point in part], float)
    stop = np.array([point for part in parts for point in (*part[1:], part[0])], float)
    (x0, y0), (x1, y1) = start.T, stop.T
    top, bottom = y0.min(), y0.max()
    levels = int(np.clip((bottom - top) / 2.0, 4, 48))
    rows = np.linspace(top, bottom, levels)[:, None]
    low, high = np.minimum(y0, y1), np.maximum(y0, y1)
    crossing = (low <= rows + 1e-6) & (rows <= high + 1e-6)
    slope = (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)
    # On a horizontal edge both ends count; elsewhere the two values agree.
    at = x0 + (np.clip(rows, low, high) - y0) * slope
    other = np.where(y1 == y0, x1, at)
    left = np.where(crossing, np.minimum(at, other), np.inf).min(axis=1)
    right = np.where(crossing, np.maximum(at, other), -np.inf).max(axis=1)
    return _polyline(left, rows[:, 0]) + _polyline(right, rows[:, 0])[::-1]


def _polyline(columns: np.ndarray, rows: np.ndarray) -> Shape:
    """One side of a silhouette, without the points on a straight line."""
    kept = np.isfinite(columns)
    columns, rows = columns[kept], rows[kept]
    bends = np.ones(len(columns), bool)
    bends[1:-1] = np.abs(columns[:-2] - 2 * columns[1:-1] + columns[2:]) > 0.05
    return list(zip(columns[bends].tolist(), rows[bends].tolist(), strict=True))
