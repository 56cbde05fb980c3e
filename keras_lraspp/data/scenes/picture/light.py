"""The hour and the weather: sun, sky, haze."""

import math
import random
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.camera import Point3

Colour = tuple[float, float, float]

UP: Point3 = (0.0, 1.0, 0.0)


class Weather(NamedTuple):
    """A kind of day. Colours are 0..255, strengths multiply a surface's colour."""

    name: str
    share: float
    sky_top: Colour
    sky_low: Colour
    sun: Colour
    ambient: Colour
    clouds: tuple[float, float]
    haze: float
    elevation: tuple[float, float]


WEATHERS = (
    Weather(
        "clear noon", 0.3, (72, 122, 196), (186, 212, 236), (0.62, 0.59, 0.53),
        (0.50, 0.54, 0.60), (0.0, 0.35), 0.0022, (45, 65),
    ),
    Weather(
        "fair clouds", 0.25, (88, 134, 200), (204, 220, 236), (0.55, 0.53, 0.48),
        (0.52, 0.55, 0.59), (0.35, 0.75), 0.0028, (35, 60),
    ),
    Weather(
        "low sun", 0.2, (104, 138, 186), (244, 214, 172), (0.68, 0.56, 0.40),
        (0.44, 0.47, 0.54), (0.1, 0.55), 0.0038, (20, 32),
    ),
    Weather(
        "overcast", 0.15, (168, 178, 190), (216, 220, 224), (0.12, 0.12, 0.12),
        (0.78, 0.80, 0.82), (0.5, 1.0), 0.0042, (40, 60),
    ),
    Weather(
        "mist", 0.1, (186, 194, 202), (226, 228, 230), (0.16, 0.16, 0.15),
        (0.74, 0.76, 0.78), (0.3, 0.8), 0.0095, (30, 50),
    ),
)  # fmt: skip


class Light(NamedTuple):
    """The light of one scene.

    Attributes:
        towards_sun: Unit vector from the ground to the sun.
        sun: Strength of the direct light, for each of red, green, blue.
        ambient: Strength of the light from the sky, likewise.
        sky_top: Colour of the sky far above the horizon.
        sky_low: Colour of the sky at the horizon; distance fades into it.
        clouds: Share of the sky that clouds cover, 0..1.
        haze: Share of the light lost to haze, per metre.
    """

    towards_sun: Point3
    sun: Colour
    ambient: Colour
    sky_top: Colour
    sky_low: Colour
    clouds: float
    haze: float

    def lit(self, colour: Colour, normal: Point3 = UP) -> Colour:
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


def choose_light(rng: random.Random) -> Light:
    """Draws the hour, the weather and the direction of the sun."""
    weather = rng.choices(WEATHERS, [row.share for row in WEATHERS])[0]
    elevation = math.radians(rng.uniform(*weather.elevation))
    azimuth = math.radians(rng.uniform(-180.0, 180.0))
    towards_sun = (
        math.cos(elevation) * math.sin(azimuth),
        math.sin(elevation),
        math.cos(elevation) * math.cos(azimuth),
    )
    tint = rng.uniform(0.94, 1.06)
    return Light(
        towards_sun,
        weather.sun,
        weather.ambient,
        _warmed(weather.sky_top, tint),
        _warmed(weather.sky_low, tint),
        rng.uniform(*weather.clouds),
        weather.haze * rng.uniform(0.6, 1.4),
    )


def _warmed(colour: Colour, tint: float) -> Colour:
    return (
        min(255.0, colour[0] * tint),
        colour[1],
        min(255.0, colour[2] / tint),
    )
