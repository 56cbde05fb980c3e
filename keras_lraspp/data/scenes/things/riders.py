"""Riders on bicycles and motorcycles."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.body import Body
from keras_lraspp.data.scenes.things.figures import Joints, choose_dress, draw_figure
from keras_lraspp.data.scenes.things.pose import Local, Pose
from keras_lraspp.data.scenes.things.two_wheelers import (
    BICYCLE_PAINTS,
    MOTORCYCLE_PAINTS,
    paint_bicycle,
    paint_motorcycle,
    shade_ground,
)

HELMETS: tuple[Colour, ...] = (
    (240, 240, 240), (250, 220, 40), (240, 120, 30), (30, 30, 34), (200, 30, 40),
)  # fmt: skip
VESTS: tuple[Colour, ...] = (
    (206, 222, 40), (240, 130, 30), (150, 200, 30), (226, 196, 36),
)  # fmt: skip


class Seat(NamedTuple):
    """Where a rider sits, holds on and stands: (metres forward, metres up)."""

    seat: tuple[float, float]
    grip: tuple[float, float]
    pedal: tuple[float, float]


_ON_BICYCLE = Seat((-0.22, 0.98), (0.42, 1.06), (0.02, 0.28))
_ON_MOTORCYCLE = Seat((-0.28, 0.86), (0.45, 1.02), (-0.05, 0.38))


def draw_cyclist(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a bicycle and, on it, a rider."""
    _draw_ride(canvas, pose, rng, paint_bicycle, BICYCLE_PAINTS, _ON_BICYCLE)


def draw_motorcyclist(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a motorcycle and its rider."""
    _draw_ride(canvas, pose, rng, paint_motorcycle, MOTORCYCLE_PAINTS, _ON_MOTORCYCLE)


def _draw_ride(
    canvas: Canvas,
    pose: Pose,
    rng: random.Random,
    paint_machine: Callable[[Body, Colour], None],
    paints: tuple[Colour, ...],
    seat: Seat,
) -> None:
    body = Body(canvas, pose)
    shade_ground(body, 1.0, 1.7)
    paint = rng.choice(paints)
    # Coming towards the camera, handlebars and front wheel cover the rider.
    comes = math.cos(pose.heading) < -0.6
    if comes:
        _paint_rider(body, rng, seat)
    paint_machine(body, paint)
    if not comes:
        _paint_rider(body, rng, seat)


def _paint_rider(body: Body, rng: random.Random, seat: Seat) -> None:
    dress = choose_dress(rng)._replace(top=rng.choice(VESTS))
    joints = _seated(rng, seat)
    draw_figure(body, joints, dress)
    forward, up, right = joints.head
    helmet = [
        (forward - 0.05, up + 0.06, right, 0.12),
        (forward + 0.05, up + 0.07, right, 0.11),
    ]
    body.limb(helmet, rng.choice(HELMETS))
    body.finish("rider")


def _seated(rng: random.Random, seat: Seat) -> Joints:
    """The joints of someone who leans forward to the grips, one knee up."""
    (back, up), (pedal, low) = seat.seat, seat.pedal
    lift = rng.uniform(-0.12, 0.16)
    lean, knee = back + rng.uniform(0.10, 0.24), back + 0.36

    def sides(forward: float, height: float, width: float) -> tuple[Local, Local]:
        return (forward, height, -width), (forward, height, width)

    return Joints(
        head=(lean + 0.08, up + 0.77, 0.0),
        neck=(lean + 0.04, up + 0.61, 0.0),
        shoulders=sides(lean, up + 0.55, 0.19),
        elbows=sides(lean + 0.2, up + 0.27, 0.27),
        hands=sides(*seat.grip, 0.28),
        hips=sides(back, up + 0.05, 0.10),
        knees=((knee, up - 0.16 + lift, -0.16), (knee, up - 0.16 - lift, 0.16)),
        feet=((pedal + lift, low + lift, -0.16), (pedal - lift, low - lift, 0.16)),
    )  # fmt: skip
