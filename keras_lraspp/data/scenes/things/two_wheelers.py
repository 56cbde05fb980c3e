"""Bicycles and motorcycles."""

import random

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.body import Body
from keras_lraspp.data.scenes.things.pose import Pose, circle

BICYCLE_PAINTS: tuple[Colour, ...] = (
    (24, 150, 176), (30, 120, 200), (0, 164, 150), (60, 90, 210), (20, 170, 210),
)  # fmt: skip
MOTORCYCLE_PAINTS: tuple[Colour, ...] = (
    (196, 22, 22), (150, 16, 30), (220, 60, 20), (176, 12, 60),
)  # fmt: skip

# Spokes are drawn in a wheel with a radius of more samples than this.
_SPOKES_FROM = 9.0

_TYRE: Colour = (34, 34, 38)
_STEEL: Colour = (186, 188, 192)
_ENGINE: Colour = (84, 84, 90)


def draw_bicycle(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a bicycle that stands alone."""
    body = Body(canvas, pose)
    shade_ground(body, 0.9, 1.0)
    paint_bicycle(body, rng.choice(BICYCLE_PAINTS))


def draw_motorcycle(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a parked motorcycle."""
    body = Body(canvas, pose)
    shade_ground(body, 1.0, 1.1)
    paint_motorcycle(body, rng.choice(MOTORCYCLE_PAINTS))


def shade_ground(body: Body, reach: float, height: float) -> None:
    """Throws the shadow of something `reach` metres long to both sides."""
    body.cast([(-reach, 0, 0), (reach, 0, 0), (0.3, height, 0.2), (-0.3, height, -0.2)])
    corners = [(a * reach, 0.0, b) for a in (-1, 1) for b in (-0.12, 0.12)]
    body.cast(corners, 0.5)


def paint_bicycle(body: Body, paint: Colour) -> None:
    """Paints a bicycle and labels it."""
    radius, back, front = 0.35, -0.52, 0.54
    for axle in (back, front):
        wheel = circle(axle, radius, 0.0, radius)
        if body.size(radius) > _SPOKES_FROM:
            for k in range(0, 10, 2):
                body.wire((wheel[k], wheel[k + 10]), 0.006, _STEEL, detail=True)
        body.wire((*wheel, wheel[0]), 0.035, _TYRE)
        guard = circle(axle, radius, 0.0, radius + 0.05)
        body.wire(guard[1:9], 0.03, paint)
    crank, seat, head = (0.0, 0.30, 0.0), (-0.20, 0.82, 0.0), (0.40, 0.86, 0.0)
    tubes = (
        (crank, seat), (crank, head), (seat, head), ((back, radius, 0.0), crank),
        ((back, radius, 0.0), seat), ((front, radius, 0.0), head),
    )  # fmt: skip
    for tube in tubes:
        body.wire(tube, 0.04, paint)
    body.limb([(*crank, 0.09)], _TYRE)
    stem = (0.38, 1.02, 0.0)
    body.wire((head, stem), 0.03, _STEEL)
    body.wire(((0.36, 1.06, -0.29), stem, (0.36, 1.06, 0.29)), 0.03, _TYRE)
    body.wire((seat, (-0.23, 0.93, 0.0)), 0.03, _STEEL)
    body.limb([(-0.34, 0.96, 0.0, 0.06), (-0.10, 0.96, 0.0, 0.04)], _TYRE)
    body.finish("bicycle")


def paint_motorcycle(body: Body, paint: Colour) -> None:
    """Paints a motorcycle and labels it."""
    dark: Colour = tuple(0.6 * part for part in paint)
    radius, back, front = 0.32, -0.68, 0.70
    parts = []
    for axle, wide in ((back, 0.085), (front, 0.065)):
        for share, colour in ((0.78, _TYRE), (0.42, _STEEL), (0.22, _TYRE)):
            thick = wide * min(1.0, share + 0.22)
            rim = circle(axle, radius, 0.0, share * radius)[::3]
            parts.append(([(*point, thick) for point in rim], colour))
    parts += [
        ([(-0.60, 0.34, 0.16, 0.05), (0.05, 0.3, 0.16, 0.06)], _STEEL),
        ([(-0.60, 0.34, -0.16, 0.05), (0.05, 0.3, -0.16, 0.06)], _STEEL),
        ([(-0.2, 0.38, 0, 0.17), (0.25, 0.36, 0, 0.17), (0.1, 0.6, 0, 0.14)], _ENGINE),
        ([(0.70, 0.32, 0.1, 0.04), (0.42, 0.98, 0.1, 0.04)], _STEEL),
        ([(0.70, 0.32, -0.1, 0.04), (0.42, 0.98, -0.1, 0.04)], _STEEL),
        ([(0.48, 0.66, 0, 0.08), (0.90, 0.60, 0, 0.06)], paint),
        ([(-0.92, 0.58, 0, 0.09), (-0.60, 0.70, 0, 0.14)], dark),
        ([(-0.90, 0.80, 0, 0.10), (-0.5, 0.76, 0, 0.16)], paint),
        ([(-0.70, 0.84, 0, 0.10), (-0.1, 0.78, 0, 0.13)], _TYRE),
        ([(-0.12, 0.80, 0, 0.14), (0.30, 0.86, 0, 0.18), (0.2, 0.6, 0, 0.15)], paint),
        ([(0.44, 0.94, 0, 0.19), (0.52, 0.74, 0, 0.17)], paint),
        ([(0.36, 1.06, -0.38, 0.035), (0.44, 1.02, 0, 0.04)], _TYRE),
        ([(0.36, 1.06, 0.38, 0.035), (0.44, 1.02, 0, 0.04)], _TYRE),
        ([(-1.0, 0.80, -0.08, 0.05), (-1.0, 0.80, 0.08, 0.05)], (240, 40, 30)),
        ([(-1.0, 0.60, -0.06, 0.06), (-1.0, 0.60, 0.06, 0.06)], (232, 232, 226)),
        ([(0.70, 0.86, 0, 0.12)], (252, 252, 238)),
    ]  # fmt: skip
    body.limbs(parts)
    body.finish("motorcycle")
