"""The canvas: what is seen at each pixel, its label, and where shadows fall.

Nothing is coloured here. A polygon is painted with the number of its surface, so
that one pass over the picture (`develop.py`) can add texture, haze and shadow with
each pixel's true place in the world. Labels are painted beside it, in the same order
and at the same resolution, from the outlines that go into the polygons file.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw

from keras_lraspp.data.label_maps import CITYSCAPES
from keras_lraspp.data.scenes.picture.camera import NEAR, Camera, Point2, Point3
from keras_lraspp.data.scenes.picture.light import Colour, Light
from keras_lraspp.data.scenes.picture.outline import clip_to_picture, convex_hull
from keras_lraspp.data.scenes.picture.textures import TEXTURE_INDEX

# Samples a pixel has on each side: edges are smooth in the picture.
SAMPLES = 2

LABEL_IDS = {row.name: row.id for row in CITYSCAPES}


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
        self._draw_label.polygon(outline, fill=LABEL_IDS[label])
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
