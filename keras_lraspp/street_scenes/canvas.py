"""Canvas: surface numbers and labels at each sample, and shadows on the ground.

Nothing is coloured here. A polygon is filled with the number of its surface, so that
one pass over the picture (`scene.py`) can add texture, haze and shadow at each pixel's
true place in the world. Labels are drawn beside it, in the same order and at the same
resolution, from the outlines that go into the polygons file.
"""

import math
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from keras_lraspp.street_scenes.camera import NEAR, Camera, Colour, Light, Points, Shape
from keras_lraspp.street_scenes.textures import TEXTURE_INDEX

# Samples a pixel has on each side: edges are smooth in the picture.
SUPERSAMPLING = 2

# The labelIds of Cityscapes, of what is drawn here.
LABEL_IDS = {
    "ego vehicle": 1, "static": 4, "road": 7, "sidewalk": 8, "building": 11,
    "wall": 12, "fence": 13, "pole": 17, "traffic light": 19, "traffic sign": 20,
    "vegetation": 21, "terrain": 22, "sky": 23, "person": 24, "rider": 25, "car": 26,
    "truck": 27, "bus": 28, "train": 31, "motorcycle": 32, "bicycle": 33,
}  # fmt: skip


class Orientation(IntEnum):
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

    orientation: Orientation
    a: float
    b: float
    c: float


def ground(eye: float, level: float = 0.0) -> Plane:
    """The horizontal plane `level` metres above the ground."""
    return Plane(Orientation.GROUND, 0.0, -1.0 / (eye - level), 0.0)


def along(x: float) -> Plane:
    """The vertical plane along the street at `x` metres."""
    return Plane(Orientation.ALONG, 1.0 / x, 0.0, 0.0)


def facing(z: float) -> Plane:
    """The vertical plane that faces the camera from `z` metres away."""
    return Plane(Orientation.FACING, 0.0, 0.0, 1.0 / max(z, NEAR))


# The surface that an empty canvas shows.
SKY_SURFACE = 0


class SceneObject(NamedTuple):
    """One annotated object: its Cityscapes label and its outline in pixels."""

    label: str
    polygon: Shape


class Canvas:
    """Where a scene is painted, from the back to the front.

    `camera` projects to samples, `image_camera` to the picture's pixels. For each
    sample, `surface_image` holds the number of its surface, `label_image` its label id.
    """

    def __init__(self, camera: Camera, light: Light, height: int, width: int):
        """Prepares an empty canvas of `height` x `width` pixels."""
        size = (width * SUPERSAMPLING, height * SUPERSAMPLING)
        self.height, self.width, self.light = height, width, light
        self.image_camera, self.camera = camera, camera.scaled(SUPERSAMPLING)
        self.surface_image = Image.new("I", size)
        self.label_image = Image.new("L", size)
        self._draw = ImageDraw.Draw(self.surface_image)
        self._draw_label = ImageDraw.Draw(self.label_image)
        # Red, green, blue, number of the texture, orientation, a, b, c of the plane.
        self.surfaces: list[tuple[float, ...]] = []
        self.objects: list[SceneObject] = []
        self._shadows: list[tuple[Shape, int]] = []  # with strengths, 0..255
        self.add_surface((0, 0, 0), Plane(Orientation.SKY, 0.0, 0.0, 0.0))

    def add_surface(self, colour: Colour, plane: Plane, texture: str = "plain") -> int:
        """Adds a surface of a colour that is lit already; returns its number."""
        self.surfaces.append((*colour, TEXTURE_INDEX[texture], *plane))
        return len(self.surfaces) - 1

    def is_in_view(self, x: float, z: float, reach: float) -> bool:
        """Whether anything within `reach` metres right or left of x is in view."""
        camera = self.camera
        column = camera.centre + camera.focal * x / z
        wide = camera.focal * reach / z
        return -wide < column < self.label_image.width + wide

    def fill(self, outline: Shape, surface: int) -> Shape:
        """Fills a polygon given in the samples' coordinates."""
        if len(outline) > 2:
            self._draw.polygon(outline, fill=surface)
        return outline

    def stroke(self, points: Shape, width: float, surface: int) -> None:
        """Draws a line of some width in samples, at least half a pixel."""
        self._draw.line(points, fill=surface, width=max(1, round(width)))

    def polygon(
        self, corners: Points, colour: Colour, plane: Plane, texture="plain", label=None
    ) -> Shape:
        """Projects, fills and labels a polygon in metres; returns its outline."""
        outline = self.camera.project_polygon(corners)
        self.fill(outline, self.add_surface(colour, plane, texture))
        if label:
            self.annotate(label, outline)
        return outline

    def billboard(
        self, shape: Shape, origin, colour, size=(1, 1), texture="plain", label=None
    ) -> Shape:
        """Fills a flat shape that faces the camera; returns its outline.

        The shape's corners lie (right, up) from the origin, in units of `size` metres.
        """
        (x, y, z), (wide, tall) = origin, size
        corners = [(x + wide * a, y + tall * b, z) for a, b in shape]
        return self.polygon(corners, colour, facing(z), texture, label)

    def annotate(self, label: str, outline: Shape) -> None:
        """Labels all pixels inside an outline (in the samples' coordinates)."""
        width, height = self.label_image.size
        outline = clip_to_picture(outline, height, width)
        if len(outline) < 3:
            return
        self._draw_label.polygon(outline, fill=LABEL_IDS[label])
        polygon = [(u / SUPERSAMPLING, v / SUPERSAMPLING) for u, v in outline]
        self.objects.append(SceneObject(label, polygon))

    def add_shadow(self, points: Points, strength: float | None = None) -> None:
        """Lets the hull of some points throw a shadow on the ground.

        `strength` is the share of the light that is lost right below the points; None
        projects them along the sun's rays.
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
            self._shadows.append((outline, round(255 * strength)))

    def shadow_mask(self) -> Image.Image:
        """All shadows on the ground, 0 (none) to 255 (no light left)."""
        mask = Image.new("L", self.label_image.size)
        draw = ImageDraw.Draw(mask)
        for outline, strength in sorted(self._shadows, key=lambda row: row[1]):
            draw.polygon(outline, fill=strength)
        return mask.reduce(SUPERSAMPLING)

    def label_ids(self) -> np.ndarray:
        """The label of most samples of each pixel: uint8 (height, width)."""
        samples = np.asarray(self.label_image)
        a, b = samples[::2, ::2], samples[::2, 1::2]
        c, d = samples[1::2, ::2], samples[1::2, 1::2]
        # Four votes: b if another agrees with it, else c if d does, else a.
        return np.where((b == c) | (b == d), b, np.where(c == d, c, a))


class Facade(NamedTuple):
    """A vertical plane with coordinates of its own: metres along it, metres up."""

    canvas: Canvas
    at: float  # metres right of the camera if along the street, else metres ahead
    is_along: bool = True

    def visible_range(self) -> tuple[float, float]:
        """The part of the facade that can be in the picture and is not too far."""
        camera = self.canvas.camera
        left, right = camera.centre, self.canvas.label_image.width - camera.centre
        if not self.is_along:
            return -left / camera.focal * self.at, right / camera.focal * self.at
        near = abs(self.at) * camera.focal / (left if self.at < 0 else right)
        # Beyond the far end, a window is narrower than one sample.
        return near, math.sqrt(1.2 * abs(self.at) * camera.focal)

    def rectangle(
        self, start, end, low, high, colour: Colour, texture="plain", label=None
    ) -> Shape:
        """Fills a rectangle in a colour that is lit already; returns its outline."""
        corners = ((start, low), (end, low), (end, high), (start, high))
        if self.is_along:
            points, plane = [(self.at, up, at) for at, up in corners], along(self.at)
        else:
            points, plane = [(at, up, self.at) for at, up in corners], facing(self.at)
        return self.canvas.polygon(points, colour, plane, texture, label)

    def lit(self, colour: Colour) -> Colour:
        """A colour under the light that falls on this side."""
        normal = (-math.copysign(1.0, self.at), 0, 0) if self.is_along else (0, 0, -1)
        return self.canvas.light.lit(colour, normal)

    def add_shadow(self, start, end, high, strength: float | None = None) -> None:
        """Lets a strip of the facade throw a shadow (see `Canvas.add_shadow`)."""
        points = [(self.at, up, at) for at in (start, end) for up in (0, high)]
        self.canvas.add_shadow(points, strength)


def convex_hull(points: Shape) -> Shape:
    """The convex hull of points (monotone chain)."""
    points = sorted(set(points))
    if len(points) < 3:
        return points
    return _half_hull(points) + _half_hull(points[::-1])


def _half_hull(points: Shape) -> Shape:
    chain = []
    for x, y in points:
        while len(chain) > 1:
            (ax, ay), (bx, by) = chain[-2], chain[-1]
            if (bx - ax) * (y - ay) > (by - ay) * (x - ax):
                break
            chain.pop()
        chain.append((x, y))
    return chain[:-1]


def clip_to_picture(polygon: Shape, height: float, width: float) -> Shape:
    """Cuts a polygon to the picture's rectangle; empty where they do not meet."""
    if len(polygon) < 3:
        return []
    columns = [point[0] for point in polygon]
    rows = [point[1] for point in polygon]
    left, right, top, bottom = min(columns), max(columns), min(rows), max(rows)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        return []
    if left >= 0 and right <= width and top >= 0 and bottom <= height:
        return list(polygon)
    for axis, limit in ((0, width), (1, height)):
        polygon = _clip_side(polygon, axis, 0.0, 1.0)
        polygon = _clip_side(polygon, axis, limit, -1.0)
    return list(polygon)


def _clip_side(polygon: Shape, axis: int, limit: float, sign: float) -> Shape:
    """Cuts off what lies beyond one side of the picture (Sutherland-Hodgman)."""
    kept = []
    for index, point in enumerate(polygon):
        before = polygon[index - 1]
        inside = sign * (point[axis] - limit)
        was_inside = sign * (before[axis] - limit)
        if (inside < 0) != (was_inside < 0):
            t = was_inside / (was_inside - inside)
            (u0, v0), (u1, v1) = before, point
            kept.append((u0 + t * (u1 - u0), v0 + t * (v1 - v0)))
        if inside >= 0:
            kept.append(point)
    return kept
