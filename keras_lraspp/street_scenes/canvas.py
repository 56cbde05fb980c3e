"""The canvas: what is seen at each pixel, its label, and where shadows fall.

Nothing is coloured here. A polygon is painted with the number of its surface, so
that one pass over the picture (`develop.py`) can add texture, haze and shadow with
each pixel's true place in the world. Labels are painted beside it, in the same order
and at the same resolution, from the outlines that go into the polygons file.
"""

import math
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from keras_lraspp.street_scenes.camera import (
    NEAR,
    Camera,
    Colour,
    Light,
    Point2,
    Point3,
)
from keras_lraspp.street_scenes.textures import TEXTURE_INDEX


def _circle(points: int) -> tuple[Point2, ...]:
    angles = [math.tau * k / points for k in range(points)]
    return tuple((math.cos(angle), math.sin(angle)) for angle in angles)


_SQUARE, _HEXAGON, _CIRCLE = _circle(4), _circle(6), _circle(12)


def convex_hull(points: Iterable[Point2]) -> list[Point2]:
    """The convex hull of points (monotone chain)."""
    points = sorted(set(points))
    if len(points) < 3:
        return points
    return _chain(points) + _chain(points[::-1])


def _chain(points: Sequence[Point2]) -> list[Point2]:
    chain: list[Point2] = []
    for point in points:
        x, y = point
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            chain.pop()
        chain.append(point)
    return chain[:-1]


def rounded_hull(circles: Sequence[tuple[Point2, float]]) -> list[Point2]:
    """The convex hull of circles `((u, v), radius)`: a limb, a torso, a tube."""
    if len(circles) == 2:
        return _capsule(*circles)
    if len(circles) == 1:
        return _disc(*circles[0])
    # Few of many circles' corners end up in the hull.
    shape = _CIRCLE if len(circles) < 5 else _HEXAGON
    return convex_hull(
        point for centre, radius in circles for point in _disc(centre, radius, shape)
    )


def _disc(centre: Point2, radius: float, shape=_CIRCLE) -> list[Point2]:
    # A disc of a few samples needs no more corners than this.
    if radius < 4.0:
        shape = _SQUARE if radius < 1.5 else _HEXAGON
    u, v = centre
    return [(u + radius * cos, v + radius * sin) for cos, sin in shape]


def _capsule(first: tuple[Point2, float], second: tuple[Point2, float]) -> list[Point2]:
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


def silhouette(parts: Sequence[Sequence[Point2]]) -> list[Point2]:
    """One polygon around all parts: their leftmost and rightmost edge, row by row.

    Gaps inside a row (between the legs of a walker, between two wheels) belong to
    the polygon, as they do in annotations drawn by hand.
    """
    start = np.array([point for part in parts for point in part], np.float64)
    stop = np.array(
        [part[k - len(part) + 1] for part in parts for k in range(len(part))],
        np.float64,
    )
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
    return _chain_of(left, rows[:, 0]) + _chain_of(right, rows[:, 0])[::-1]


def _chain_of(columns: np.ndarray, rows: np.ndarray) -> list[Point2]:
    """One side of a silhouette, without the points on a straight line."""
    kept = np.isfinite(columns)
    columns, rows = columns[kept], rows[kept]
    bends = np.ones(len(columns), bool)
    bends[1:-1] = np.abs(columns[:-2] - 2 * columns[1:-1] + columns[2:]) > 0.05
    return list(zip(columns[bends].tolist(), rows[bends].tolist(), strict=True))


def clip_to_picture(
    polygon: Sequence[Point2], height: float, width: float
) -> list[Point2]:
    """Cuts a polygon to the picture's rectangle; empty where they do not meet."""
    columns = [point[0] for point in polygon]
    rows = [point[1] for point in polygon]
    left, right, top, bottom = min(columns), max(columns), min(rows), max(rows)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        return []
    if left >= 0 and right <= width and top >= 0 and bottom <= height:
        return list(polygon)
    for axis, limit, sign in (
        (0, 0.0, 1.0),
        (0, width, -1.0),
        (1, 0.0, 1.0),
        (1, height, -1.0),
    ):
        polygon = _clip_side(polygon, axis, limit, sign)
    return list(polygon)


def _clip_side(
    polygon: Sequence[Point2], axis: int, limit: float, sign: float
) -> list[Point2]:
    kept = []
    for index, point in enumerate(polygon):
        before = polygon[index - 1]
        inside = sign * (point[axis] - limit)
        was_inside = sign * (before[axis] - limit)
        if (inside < 0) != (was_inside < 0):
            t = was_inside / (was_inside - inside)
            kept.append(
                (
                    before[0] + t * (point[0] - before[0]),
                    before[1] + t * (point[1] - before[1]),
                )
            )
        if inside >= 0:
            kept.append(point)
    return kept


# Samples a pixel has on each side: edges are smooth in the picture.
SAMPLES = 2

# The labelIds of Cityscapes, of what is drawn here.
CLASS_IDS = {
    "ego vehicle": 1,
    "static": 4,
    "road": 7,
    "sidewalk": 8,
    "parking": 9,
    "building": 11,
    "wall": 12,
    "fence": 13,
    "pole": 17,
    "traffic light": 19,
    "traffic sign": 20,
    "vegetation": 21,
    "terrain": 22,
    "sky": 23,
    "person": 24,
    "rider": 25,
    "car": 26,
    "truck": 27,
    "bus": 28,
    "train": 31,
    "motorcycle": 32,
    "bicycle": 33,
}


class Kind(IntEnum):
    """Which two world coordinates a texture follows on a plane."""

    SKY = 0
    GROUND = 1  # x and z
    ALONG = 2  # z and y: a wall along the street
    FACING = 3  # x and y: a wall or a flat figure that faces the camera


class Plane(NamedTuple):
    """A plane as seen from the camera: 1 / z = a * u + b * v + c.

    u and v are a pixel's offset right of and above the vanishing point, over the
    focal length.
    """

    kind: Kind
    a: float
    b: float
    c: float


SKY = Plane(Kind.SKY, 0.0, 0.0, 0.0)

# The surface that an empty canvas shows.
SKY_SURFACE = 0


def ground(eye: float, level: float = 0.0) -> Plane:
    """The horizontal plane `level` metres above the ground."""
    return Plane(Kind.GROUND, 0.0, -1.0 / (eye - level), 0.0)


def along(x: float) -> Plane:
    """The vertical plane along the street at `x` metres."""
    return Plane(Kind.ALONG, 1.0 / x, 0.0, 0.0)


def facing(z: float) -> Plane:
    """The vertical plane that faces the camera from `z` metres away."""
    return Plane(Kind.FACING, 0.0, 0.0, 1.0 / max(z, NEAR))


class Surface(NamedTuple):
    """What the canvas shows somewhere: a lit colour (0..255), a texture, a plane."""

    red: float
    green: float
    blue: float
    texture: int
    kind: Kind
    a: float
    b: float
    c: float


class SceneObject(NamedTuple):
    """One annotated object: its Cityscapes label and its outline in pixels."""

    label: str
    polygon: list[Point2]


class Canvas:
    """Where a scene is painted, from the back to the front."""

    def __init__(self, camera: Camera, light: Light, height: int, width: int):
        """Prepares an empty canvas of `height` x `width` pixels."""
        size = (width * SAMPLES, height * SAMPLES)
        self.height, self.width = height, width
        self.view = camera
        self.light = light
        self.camera = camera.scaled(SAMPLES)
        self.surface_image = Image.new("I", size)
        self.label_image = Image.new("L", size)
        self._draw = ImageDraw.Draw(self.surface_image)
        self._draw_label = ImageDraw.Draw(self.label_image)
        self.surfaces: list[Surface] = []
        self.objects: list[SceneObject] = []
        self.shadows: list[tuple[list[Point2], int]] = []
        self.surface((0, 0, 0), SKY)

    def surface(self, colour: Colour, plane: Plane, texture: str = "plain") -> int:
        """Adds a surface of a colour that is lit already; returns its number."""
        self.surfaces.append(Surface(*colour, TEXTURE_INDEX[texture], *plane))
        return len(self.surfaces) - 1

    def sees(self, x: float, z: float, reach: float) -> bool:
        """Whether anything within `reach` metres right or left of x is in view."""
        camera = self.camera
        column = camera.centre + camera.focal * x / z
        wide = camera.focal * reach / z
        return -wide < column < self.label_image.width + wide

    def fill(self, outline: Sequence[Point2], surface: int) -> Sequence[Point2]:
        """Paints a polygon given in the samples' coordinates."""
        if len(outline) > 2:
            self._draw.polygon(outline, fill=surface)
        return outline

    def stroke(self, points: Sequence[Point2], width: float, surface: int) -> None:
        """Paints a line of some width in samples, at least half a pixel."""
        self._draw.line(points, fill=surface, width=max(1, round(width)))

    def face(
        self, corners: Sequence[Point3], colour: Colour, plane: Plane, texture="plain"
    ) -> Sequence[Point2]:
        """Projects and paints a polygon given in metres; returns its outline."""
        outline = self.camera.project_polygon(corners)
        return self.fill(outline, self.surface(colour, plane, texture))

    def claim(self, label: str, outline: Sequence[Point2]) -> None:
        """Labels all pixels inside an outline (in the samples' coordinates)."""
        if len(outline) < 3:
            return
        width, height = self.label_image.size
        outline = clip_to_picture(outline, height, width)
        if len(outline) < 3:
            return
        self._draw_label.polygon(outline, fill=CLASS_IDS[label])
        polygon = [(u / SAMPLES, v / SAMPLES) for u, v in outline]
        self.objects.append(SceneObject(label, polygon))

    def cast(self, points: Sequence[Point3], strength: float | None = None) -> None:
        """Lets the hull of some points throw a shadow on the ground.

        Args:
            points: Points of the body, in metres.
            strength: Share of the light that is lost; None follows the sun.
        """
        sun_x, sun_y, sun_z = self.light.towards_sun
        if strength is None:
            strength = self.light.shadow
            points = [
                (x - y * sun_x / sun_y, 0.0, z - y * sun_z / sun_y)
                for x, y, z in points
            ]
        hull = convex_hull((x, z) for x, _, z in points)
        if len(hull) > 2 and max(z for _, z in hull) > NEAR:
            outline = self.camera.project_polygon([(x, 0.0, z) for x, z in hull])
            self.shadows.append((outline, round(255 * strength)))

    def shadow_mask(self) -> Image.Image:
        """All shadows on the ground, 0 (none) to 255 (no light left)."""
        mask = Image.new("L", self.label_image.size)
        draw = ImageDraw.Draw(mask)
        for outline, strength in sorted(self.shadows, key=lambda row: row[1]):
            draw.polygon(outline, fill=strength)
        return mask.reduce(SAMPLES)

    def label_ids(self) -> np.ndarray:
        """The label of most samples of each pixel: uint8 (height, width)."""
        samples = np.asarray(self.label_image)
        a, b = samples[::2, ::2], samples[::2, 1::2]
        c, d = samples[1::2, ::2], samples[1::2, 1::2]
        # Four votes: b if another agrees with it, else c if d does, else a.
        return np.where((b == c) | (b == d), b, np.where(c == d, c, a))
