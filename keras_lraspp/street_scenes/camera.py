"""Pinhole camera and scene lighting."""

import math
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

Point2 = tuple[float, float]
Point3 = tuple[float, float, float]
Colour = tuple[float, float, float]
Shape = Sequence[Point2]
Points = Sequence[Point3]

# Nothing nearer than this (metres) is drawn: its projection grows without bound.
NEAR = 1.2


class Camera(NamedTuple):
    """A pinhole that looks along +z; x points right and y up, the ground is y = 0.

    Pixel k reaches from k to k + 1, so that Pillow, which cuts off fractions, finds the
    pixel a point lies in.
    """

    focal: float  # focal length in pixels
    centre: float  # column of the vanishing point
    horizon: float  # row of the vanishing point
    eye: float  # height above the ground, in metres

    def project(self, points: Points) -> list[Point2]:
        """Projects points that lie in front of the camera (z > 0)."""
        focal, centre, horizon, eye = self
        return [
            (centre + focal * x / z, horizon - focal * (y - eye) / z)
            for x, y, z in points
        ]

    def project_polygon(self, corners: Points) -> list[Point2]:
        """Projects a polygon after cutting off what lies nearer than `NEAR`."""
        if min([corner[2] for corner in corners]) < NEAR:
            corners = _clip_near(corners)
        return self.project(corners)

    def scaled(self, factor: float) -> "Camera":
        """The same camera over a picture with `factor` times the pixels a side."""
        focal, centre, horizon, eye = self
        return Camera(focal * factor, centre * factor, horizon * factor, eye)


def _clip_near(corners: Points) -> list[Point3]:
    kept = []
    for index, (x, y, z) in enumerate(corners):
        px, py, pz = corners[index - 1]
        if (z >= NEAR) != (pz >= NEAR):
            t = (NEAR - pz) / (z - pz)
            kept.append((px + t * (x - px), py + t * (y - py), NEAR))
        if z >= NEAR:
            kept.append((x, y, z))
    return kept


def place_camera(
    height: int, width: int, *, zoom: float, pan: float, tilt: float, eye: float
) -> Camera:
    """Places the camera so that one scene looks alike at any size and aspect.

    `zoom` is the focal length over the geometric mean of the width and twice the height
    (the width itself for a 2:1 picture). The vanishing point lies at `pan` of the width
    and `tilt` of the height. `eye` is the camera's height in metres.
    """
    focal = zoom * math.sqrt(2.0 * height * width)
    return Camera(focal, pan * width, tilt * height, eye)


def scale_colour(colour: Colour, factor: float) -> Colour:
    """A brighter or darker colour."""
    r, g, b = colour
    return (factor * r, factor * g, factor * b)


class Light(NamedTuple):
    """The light of one scene."""

    towards_sun: Point3  # unit vector from the ground to the sun
    sun: Colour  # strength of the direct light, for each of red, green, blue
    ambient: Colour  # strength of the light from the sky, likewise
    sky_top: Colour  # colour of the sky far above the horizon
    sky_low: Colour  # colour of the sky at the horizon; distance fades into it
    clouds: float  # share of the sky that clouds cover, 0..1
    haze: float  # share of the light lost to haze, per metre

    def lit(self, colour: Colour, normal: Point3 = (0.0, 1.0, 0.0)) -> Colour:
        """A surface's colour under this light; `normal` is its unit normal."""
        x, y, z = self.towards_sun
        facing = max(0.0, x * normal[0] + y * normal[1] + z * normal[2])
        (r, g, b), (sr, sg, sb), (ar, ag, ab) = colour, self.sun, self.ambient
        # Walls see half of the sky and some light from the street.
        sky = 0.8 + 0.2 * normal[1]
        return (
            r * (sky * ar + facing * sr),
            g * (sky * ag + facing * sg),
            b * (sky * ab + facing * sb),
        )

    @property
    def shadow(self) -> float:
        """Share of the light on the ground that a shadow takes away, 0..1."""
        direct = self.sun[1] * self.towards_sun[1]
        return direct / (direct + self.ambient[1])


class _Weather(NamedTuple):
    name: str
    share: float  # of all scenes
    sky_top: Colour
    sky_low: Colour
    sun: Colour  # strengths multiply a surface's colour
    ambient: Colour
    clouds: tuple[float, float]
    haze: float
    elevation: tuple[float, float]  # of the sun, in degrees


_WEATHERS = (
    _Weather("clear noon", 0.3, (72, 122, 196), (186, 212, 236), (0.62, 0.59, 0.53),
             (0.50, 0.54, 0.60), (0.0, 0.35), 0.0022, (45, 65)),
    _Weather("fair clouds", 0.25, (88, 134, 200), (204, 220, 236), (0.55, 0.53, 0.48),
             (0.52, 0.55, 0.59), (0.35, 0.75), 0.0028, (35, 60)),
    _Weather("low sun", 0.2, (104, 138, 186), (244, 214, 172), (0.68, 0.56, 0.40),
             (0.44, 0.47, 0.54), (0.1, 0.55), 0.0038, (20, 32)),
    _Weather("overcast", 0.15, (168, 178, 190), (216, 220, 224), (0.12, 0.12, 0.12),
             (0.78, 0.80, 0.82), (0.5, 1.0), 0.0042, (40, 60)),
    _Weather("mist", 0.1, (186, 194, 202), (226, 228, 230), (0.16, 0.16, 0.15),
             (0.74, 0.76, 0.78), (0.3, 0.8), 0.0095, (30, 50)),
)  # fmt: skip


def choose_light(rng: Random) -> Light:
    """Draws the weather and the direction of the sun at random."""
    weather = rng.choices(_WEATHERS, [row.share for row in _WEATHERS])[0]
    elevation = math.radians(rng.uniform(*weather.elevation))
    azimuth = math.radians(rng.uniform(-180.0, 180.0))
    level, up = math.cos(elevation), math.sin(elevation)
    towards_sun = (level * math.sin(azimuth), up, level * math.cos(azimuth))
    tint = rng.uniform(0.94, 1.06)
    sky_top, sky_low = (
        (min(255.0, r * tint), g, min(255.0, b / tint))
        for r, g, b in (weather.sky_top, weather.sky_low)
    )
    clouds = rng.uniform(*weather.clouds)
    haze = weather.haze * rng.uniform(0.6, 1.4)
    return Light(
        towards_sun, weather.sun, weather.ambient, sky_top, sky_low, clouds, haze
    )
