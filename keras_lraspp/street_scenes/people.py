"""People: a skeleton in a walking pose, dressed."""

import math
import random
from collections.abc import Callable
from typing import NamedTuple

from keras_lraspp.street_scenes.body import Body, Local, Pose, circle
from keras_lraspp.street_scenes.camera import Colour
from keras_lraspp.street_scenes.canvas import Canvas

SKINS: tuple[Colour, ...] = (
    (236, 196, 168), (220, 176, 142), (176, 124, 88), (126, 84, 58), (92, 60, 44),
)  # fmt: skip
HAIRS: tuple[Colour, ...] = (
    (40, 30, 26), (84, 56, 36), (150, 110, 60), (196, 168, 110), (150, 148, 146),
)  # fmt: skip
TOPS: tuple[Colour, ...] = (
    (176, 36, 60), (120, 34, 96), (214, 92, 120), (52, 66, 140), (96, 70, 150),
    (222, 150, 150), (60, 50, 76), (186, 60, 36), (150, 40, 130), (40, 44, 58),
)  # fmt: skip
BOTTOMS: tuple[Colour, ...] = (
    (36, 42, 70), (44, 54, 96), (36, 34, 40), (72, 66, 76), (96, 80, 72), (60, 34, 56),
)  # fmt: skip


class Dress(NamedTuple):
    """The colours one person wears."""

    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour


class Joints(NamedTuple):
    """Where a body's joints are: (metres forward, up, right)."""

    head: Local
    neck: Local
    shoulders: tuple[Local, Local]
    elbows: tuple[Local, Local]
    hands: tuple[Local, Local]
    hips: tuple[Local, Local]
    knees: tuple[Local, Local]
    feet: tuple[Local, Local]


def choose_dress(rng: random.Random) -> Dress:
    """Draws skin, hair and clothes."""
    return Dress(
        rng.choice(SKINS),
        rng.choice(HAIRS),
        _varied(rng, rng.choice(TOPS)),
        _varied(rng, rng.choice(BOTTOMS)),
        rng.choice(((30, 28, 30), (90, 60, 40), (220, 220, 220))),
    )


def _varied(rng: random.Random, colour: Colour) -> Colour:
    factor = rng.uniform(0.8, 1.2)
    return tuple(min(250.0, part * factor) for part in colour)


def walking(rng: random.Random, height: float) -> Joints:
    """A person in mid-stride, or standing; `height` in metres."""
    stride = rng.choice((0.0, 0.5, 0.8, 1.0)) * rng.choice((-1, 1))
    s = height / 1.75

    def leg(sign: float, swing: float) -> tuple[Local, Local, Local]:
        side = 0.10 * sign * s
        hip = (0.0, 0.92 * s, side)
        knee = (0.17 * swing * s, 0.50 * s, side)
        bent = max(0.0, -swing)
        foot = (0.34 * swing * s, (0.05 + 0.08 * bent) * s, side)
        return hip, knee, foot

    def arm(sign: float, swing: float) -> tuple[Local, Local, Local]:
        shoulder = (0.0, 1.43 * s, 0.19 * sign * s)
        elbow = (0.12 * swing * s, 1.14 * s, 0.25 * sign * s)
        hand = (0.30 * swing * s + 0.06, 0.90 * s, 0.24 * sign * s)
        return shoulder, elbow, hand

    legs = leg(-1, stride), leg(1, -stride)
    arms = arm(-1, -stride), arm(1, stride)
    return Joints(
        (0.03 * s, 1.63 * s, 0.0),
        (0.0, 1.48 * s, 0.0),
        *zip(*arms, strict=True),
        *zip(*legs, strict=True),
    )


def draw_figure(body: Body, joints: Joints, dress: Dress, size: float = 1.0) -> None:
    """Paints a dressed skeleton, the farther limbs first."""
    far = [0, 1]
    far.sort(key=lambda k: -body.pose.place(joints.shoulders[k])[2])
    _draw_arm(body, joints, dress, far[0], size)
    for side in far:
        _draw_leg(body, joints, dress, side, size)
    torso = [(*point, 0.09 * size) for point in joints.shoulders]
    torso += [(*point, 0.12 * size) for point in joints.hips]
    body.limb(torso, dress.top)
    _draw_arm(body, joints, dress, far[1], size)
    forward, up, right = joints.head
    body.limb(
        [(*joints.neck, 0.06 * size), (forward, up, right, 0.07 * size)], dress.skin
    )
    body.limb(
        [(forward - 0.03, up + 0.02, right, 0.118 * size),
         (forward - 0.05, up - 0.03, right, 0.10 * size)],
        dress.hair,
    )  # fmt: skip
    # The face is seen unless the person walks away.
    if math.cos(body.pose.heading) < 0.5:
        body.limb([(forward + 0.05, up - 0.03, right, 0.088 * size)], dress.skin)


def _draw_arm(body: Body, joints: Joints, dress: Dress, side: int, size: float):
    shoulder, elbow, hand = (
        joints.shoulders[side], joints.elbows[side], joints.hands[side],
    )  # fmt: skip
    darker = tuple(0.86 * part for part in dress.top)
    body.limb([(*shoulder, 0.075 * size), (*elbow, 0.06 * size)], darker)
    body.limb([(*elbow, 0.058 * size), (*hand, 0.045 * size)], darker)
    body.limb([(*hand, 0.05 * size)], dress.skin)


def _draw_leg(body: Body, joints: Joints, dress: Dress, side: int, size: float):
    hip, knee, foot = joints.hips[side], joints.knees[side], joints.feet[side]
    body.limb([(*hip, 0.11 * size), (*knee, 0.08 * size)], dress.bottom)
    body.limb([(*knee, 0.078 * size), (*foot, 0.055 * size)], dress.bottom)
    toe = (foot[0] + 0.13 * size, foot[1], foot[2])
    body.limb([(*foot, 0.055 * size), (*toe, 0.045 * size)], dress.shoes)


def draw_person(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a walker with shadow and label."""
    child = rng.random() < 0.12
    height = rng.uniform(1.1, 1.4) if child else rng.uniform(1.62, 1.92)
    dress, joints = choose_dress(rng), walking(rng, height)
    body = Body(canvas, pose)
    size = height / 1.75
    body.cast(
        [(0.0, 0.0, -0.2), (0.0, 0.0, 0.2), (0.0, height, -0.1), (0.0, height, 0.1)]
    )
    body.cast([(0.25, 0, -0.2), (0.25, 0, 0.2), (-0.25, 0, 0.2), (-0.25, 0, -0.2)], 0.4)
    draw_figure(body, joints, dress, size)
    if rng.random() < 0.3:
        bag = rng.choice(TOPS)
        hand = joints.hands[rng.randrange(2)]
        body.limb(
            [
                (hand[0], hand[1] - 0.12, hand[2], 0.1),
                (hand[0], hand[1] - 0.32, hand[2], 0.14),
            ],
            bag,
        )
    body.finish("person")


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
