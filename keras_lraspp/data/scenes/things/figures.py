"""People: a skeleton in a walking pose, dressed."""

import math
import random
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.body import Body
from keras_lraspp.data.scenes.things.pose import Local, Pose

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
