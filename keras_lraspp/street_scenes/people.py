"""People, cyclists and motorcyclists, bicycles and motorcycles."""

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes.body import Body, Local, Pose, Sphere, wheel_circle
from keras_lraspp.street_scenes.camera import Colour, scale_colour
from keras_lraspp.street_scenes.canvas import Canvas

_SKINS = ((236, 196, 168), (220, 176, 142), (176, 124, 88), (126, 84, 58), (92, 60, 44))
_HAIRS = ((40, 30, 26), (84, 56, 36), (150, 110, 60), (196, 168, 110), (150, 148, 146))
_TOPS = ((176, 36, 60), (120, 34, 96), (214, 92, 120), (52, 66, 140), (96, 70, 150),
         (222, 150, 150), (60, 50, 76), (186, 60, 36), (150, 40, 130),
         (40, 44, 58))  # fmt: skip
_BOTTOMS = ((36, 42, 70), (44, 54, 96), (36, 34, 40), (72, 66, 76), (96, 80, 72),
            (60, 34, 56))  # fmt: skip
_SHOES = ((30, 28, 30), (90, 60, 40), (220, 220, 220))
_HELMETS = ((240, 240, 240), (250, 220, 40), (240, 120, 30), (30, 30, 34),
            (200, 30, 40))  # fmt: skip
_VESTS = ((206, 222, 40), (240, 130, 30), (150, 200, 30), (226, 196, 36))
_BICYCLE_PAINTS = ((24, 150, 176), (30, 120, 200), (0, 164, 150), (60, 90, 210),
                   (20, 170, 210))  # fmt: skip
_MOTORCYCLE_PAINTS = ((196, 22, 22), (150, 16, 30), (220, 60, 20), (176, 12, 60))
_TYRE, _STEEL, _ENGINE = (34, 34, 38), (186, 188, 192), (84, 84, 90)
_HEADLAMP, _TAIL_LAMP, _PLATE = (252, 252, 238), (240, 40, 30), (232, 232, 226)

# Spokes are drawn in a wheel with a radius of more samples than this.
_SPOKES_FROM = 9.0


def draw_person(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a walker with shadow and label."""
    child = rng.random() < 0.12
    height = rng.uniform(1.1, 1.4) if child else rng.uniform(1.62, 1.92)
    clothes, joints = _choose_clothes(rng), _walking(rng, height)
    body = Body(canvas, pose)
    size = height / 1.75
    body.add_shadow([(0, 0, -0.2), (0, 0, 0.2), (0, height, -0.1), (0, height, 0.1)])
    body.add_shadow([(a, 0, b) for a in (-0.25, 0.25) for b in (-0.2, 0.2)], 0.4)
    _paint_figure(body, joints, clothes, size)
    if rng.random() < 0.3:
        bag = rng.choice(_TOPS)
        forward, up, right = joints.hands[rng.randrange(2)]
        spheres = ((forward, up - 0.12, right, 0.1), (forward, up - 0.32, right, 0.14))
        body.limb(spheres, bag)
    body.annotate("person")


class _Clothes(NamedTuple):
    """The colours of one person."""

    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour


def _choose_clothes(rng: Random) -> _Clothes:
    skin, hair = rng.choice(_SKINS), rng.choice(_HAIRS)
    cloths = []
    for colours in (_TOPS, _BOTTOMS):
        colour, factor = rng.choice(colours), rng.uniform(0.8, 1.2)
        cloths.append(tuple(min(250.0, part * factor) for part in colour))
    return _Clothes(skin, hair, *cloths, rng.choice(_SHOES))


class _Joints(NamedTuple):
    """A skeleton: where its joints are, the left ones first."""

    head: Local
    neck: Local
    shoulders: tuple[Local, Local]
    elbows: tuple[Local, Local]
    hands: tuple[Local, Local]
    hips: tuple[Local, Local]
    knees: tuple[Local, Local]
    feet: tuple[Local, Local]


def _walking(rng: Random, height: float) -> _Joints:
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

    arms = zip(arm(-1, -stride), arm(1, stride), strict=True)
    legs = zip(leg(-1, stride), leg(1, -stride), strict=True)
    return _Joints((0.03 * s, 1.63 * s, 0.0), (0.0, 1.48 * s, 0.0), *arms, *legs)


def _paint_figure(body: Body, joints: _Joints, clothes: _Clothes, size=1.0) -> None:
    """Paints a dressed skeleton, the farther limbs first."""

    def limb(*parts: tuple[Local, float], colour: Colour) -> None:
        body.limb([(*point, radius * size) for point, radius in parts], colour)

    def arm(side: int) -> None:
        sleeve = scale_colour(clothes.top, 0.86)
        elbow, hand = joints.elbows[side], joints.hands[side]
        limb((joints.shoulders[side], 0.075), (elbow, 0.06), colour=sleeve)
        limb((elbow, 0.058), (hand, 0.045), colour=sleeve)
        limb((hand, 0.05), colour=clothes.skin)

    def leg(side: int) -> None:
        knee, foot = joints.knees[side], joints.feet[side]
        limb((joints.hips[side], 0.11), (knee, 0.08), colour=clothes.bottom)
        limb((knee, 0.078), (foot, 0.055), colour=clothes.bottom)
        toe = (foot[0] + 0.13 * size, foot[1], foot[2])
        limb((foot, 0.055), (toe, 0.045), colour=clothes.shoes)

    def depth(side: int) -> float:
        return body.pose.place(joints.shoulders[side])[2]

    far, near = sorted((0, 1), key=depth, reverse=True)
    arm(far)
    leg(far)
    leg(near)
    shoulders, hips = joints.shoulders, joints.hips
    torso = [(point, 0.09) for point in shoulders] + [(point, 0.12) for point in hips]
    limb(*torso, colour=clothes.top)
    arm(near)
    forward, up, right = joints.head
    limb((joints.neck, 0.06), (joints.head, 0.07), colour=clothes.skin)
    crown = (forward - 0.03, up + 0.02, right)
    nape = (forward - 0.05, up - 0.03, right)
    limb((crown, 0.118), (nape, 0.10), colour=clothes.hair)
    # The face is seen unless the person walks away.
    if math.cos(body.pose.heading) < 0.5:
        limb(((forward + 0.05, up - 0.03, right), 0.088), colour=clothes.skin)


class _TwoWheeler(NamedTuple):
    """A bicycle or a motorcycle; (metres forward, metres up) for its rider."""

    label: str
    paint: Callable[[Body, Colour], None]
    colours: Sequence[Colour]
    half_length: float
    height: float
    seat: tuple[float, float]
    grip: tuple[float, float]
    pedal: tuple[float, float]


def draw_bicycle(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a parked bicycle."""
    _draw_two_wheeler(canvas, pose, rng, _BICYCLE)


def draw_motorcycle(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a parked motorcycle."""
    _draw_two_wheeler(canvas, pose, rng, _MOTORCYCLE)


def draw_cyclist(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a bicycle and its rider."""
    _draw_two_wheeler(canvas, pose, rng, _BICYCLE, ridden=True)


def draw_motorcyclist(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a motorcycle and its rider."""
    _draw_two_wheeler(canvas, pose, rng, _MOTORCYCLE, ridden=True)


def _draw_two_wheeler(canvas, pose, rng, model: _TwoWheeler, ridden=False) -> None:
    body = Body(canvas, pose)
    reach, height = (1.0, 1.7) if ridden else (model.half_length, model.height)
    frame = [(-reach, 0, 0), (reach, 0, 0), (0.3, height, 0.2), (-0.3, height, -0.2)]
    body.add_shadow(frame)
    body.add_shadow([(a * reach, 0, b) for a in (-1, 1) for b in (-0.12, 0.12)], 0.5)
    colour = rng.choice(model.colours)
    # Coming towards the camera, handlebars and front wheel cover the rider.
    rider_is_behind = math.cos(pose.heading) < -0.6
    if ridden and rider_is_behind:
        _paint_rider(body, rng, model)
    model.paint(body, colour)
    body.annotate(model.label)
    if ridden and not rider_is_behind:
        _paint_rider(body, rng, model)


def _paint_rider(body: Body, rng: Random, model: _TwoWheeler) -> None:
    clothes = _choose_clothes(rng)._replace(top=rng.choice(_VESTS))
    joints = _riding(rng, model)
    _paint_figure(body, joints, clothes)
    forward, up, right = joints.head
    back, front = (forward - 0.05, up + 0.06), (forward + 0.05, up + 0.07)
    body.limb([(*back, right, 0.12), (*front, right, 0.11)], rng.choice(_HELMETS))
    body.annotate("rider")


def _riding(rng: Random, model: _TwoWheeler) -> _Joints:
    """The joints of someone who leans forward to the grips, one knee up."""
    (back, up), (pedal, low) = model.seat, model.pedal
    lift = rng.uniform(-0.12, 0.16)
    lean, knee = back + rng.uniform(0.10, 0.24), back + 0.36

    def sides(forward: float, height: float, width: float) -> tuple[Local, Local]:
        return (forward, height, -width), (forward, height, width)

    return _Joints(
        head=(lean + 0.08, up + 0.77, 0.0),
        neck=(lean + 0.04, up + 0.61, 0.0),
        shoulders=sides(lean, up + 0.55, 0.19),
        elbows=sides(lean + 0.2, up + 0.27, 0.27),
        hands=sides(*model.grip, 0.28),
        hips=sides(back, up + 0.05, 0.10),
        knees=((knee, up - 0.16 + lift, -0.16), (knee, up - 0.16 - lift, 0.16)),
        feet=((pedal + lift, low + lift, -0.16), (pedal - lift, low - lift, 0.16)),
    )


def _paint_bicycle(body: Body, paint: Colour) -> None:
    radius, back, front = 0.35, -0.52, 0.54
    for axle in (back, front):
        wheel = wheel_circle(axle, radius, 0.0, radius)
        if body.samples(radius) > _SPOKES_FROM:
            for k in range(0, 10, 2):
                body.tube((wheel[k], wheel[k + 10]), 0.006, _STEEL, detail=True)
        body.tube((*wheel, wheel[0]), 0.035, _TYRE)
        guard = wheel_circle(axle, radius, 0.0, radius + 0.05)
        body.tube(guard[1:9], 0.03, paint)
    crank, seat, head = (0.0, 0.30, 0.0), (-0.20, 0.82, 0.0), (0.40, 0.86, 0.0)
    rear_axle, front_axle = (back, radius, 0.0), (front, radius, 0.0)
    for tube in (
        (crank, seat), (crank, head), (seat, head),
        (rear_axle, crank), (rear_axle, seat), (front_axle, head),
    ):  # fmt: skip
        body.tube(tube, 0.04, paint)
    body.limb([(*crank, 0.09)], _TYRE)
    stem = (0.38, 1.02, 0.0)
    body.tube((head, stem), 0.03, _STEEL)
    body.tube(((0.36, 1.06, -0.29), stem, (0.36, 1.06, 0.29)), 0.03, _TYRE)
    body.tube((seat, (-0.23, 0.93, 0.0)), 0.03, _STEEL)
    body.limb([(-0.34, 0.96, 0.0, 0.06), (-0.10, 0.96, 0.0, 0.04)], _TYRE)


def _paint_motorcycle(body: Body, paint: Colour) -> None:
    radius, back, front = 0.32, -0.68, 0.70
    parts: list[tuple[Sequence[Sphere], Colour]] = []
    for axle, wide in ((back, 0.085), (front, 0.065)):
        for share, colour in ((0.78, _TYRE), (0.42, _STEEL), (0.22, _TYRE)):
            thick = wide * min(1.0, share + 0.22)
            rim = wheel_circle(axle, radius, 0.0, share * radius)[::3]
            parts.append(([(*point, thick) for point in rim], colour))
    parts += [
        ([(-0.60, 0.34, 0.16, 0.05), (0.05, 0.3, 0.16, 0.06)], _STEEL),
        ([(-0.60, 0.34, -0.16, 0.05), (0.05, 0.3, -0.16, 0.06)], _STEEL),
        ([(-0.2, 0.38, 0, 0.17), (0.25, 0.36, 0, 0.17), (0.1, 0.6, 0, 0.14)], _ENGINE),
        ([(0.70, 0.32, 0.1, 0.04), (0.42, 0.98, 0.1, 0.04)], _STEEL),
        ([(0.70, 0.32, -0.1, 0.04), (0.42, 0.98, -0.1, 0.04)], _STEEL),
        ([(0.48, 0.66, 0, 0.08), (0.90, 0.60, 0, 0.06)], paint),
        ([(-0.92, 0.58, 0, 0.09), (-0.60, 0.70, 0, 0.14)], scale_colour(paint, 0.6)),
        ([(-0.90, 0.80, 0, 0.10), (-0.5, 0.76, 0, 0.16)], paint),
        ([(-0.70, 0.84, 0, 0.10), (-0.1, 0.78, 0, 0.13)], _TYRE),
        ([(-0.12, 0.80, 0, 0.14), (0.30, 0.86, 0, 0.18), (0.2, 0.6, 0, 0.15)], paint),
        ([(0.44, 0.94, 0, 0.19), (0.52, 0.74, 0, 0.17)], paint),
        ([(0.36, 1.06, -0.38, 0.035), (0.44, 1.02, 0, 0.04)], _TYRE),
        ([(0.36, 1.06, 0.38, 0.035), (0.44, 1.02, 0, 0.04)], _TYRE),
        ([(-1.0, 0.80, -0.08, 0.05), (-1.0, 0.80, 0.08, 0.05)], _TAIL_LAMP),
        ([(-1.0, 0.60, -0.06, 0.06), (-1.0, 0.60, 0.06, 0.06)], _PLATE),
        ([(0.70, 0.86, 0, 0.12)], _HEADLAMP),
    ]

    def nearness(part: tuple[Sequence[Sphere], Colour]) -> float:
        depths = [body.pose.place(sphere[:3])[2] for sphere in part[0]]
        # Steps of 15 cm: parts side by side keep the order they are listed in.
        return -round(sum(depths) / len(depths) / 0.15)

    for spheres, colour in sorted(parts, key=nearness):
        body.limb(spheres, colour)


_BICYCLE = _TwoWheeler("bicycle", _paint_bicycle, _BICYCLE_PAINTS, 0.9, 1.0,
                       seat=(-0.22, 0.98), grip=(0.42, 1.06),
                       pedal=(0.02, 0.28))  # fmt: skip
_MOTORCYCLE = _TwoWheeler("motorcycle", _paint_motorcycle, _MOTORCYCLE_PAINTS, 1.0, 1.1,
                          seat=(-0.28, 0.86), grip=(0.45, 1.02),
                          pedal=(-0.05, 0.38))  # fmt: skip
