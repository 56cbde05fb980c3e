"""Traffic signs: layers of flat shapes on a post."""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.camera import Point2
from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.pose import CIRCLE, Pose
from keras_lraspp.data.scenes.things.posts import POLES, TOWARDS, draw_post

Shape = tuple[tuple[float, float], ...]

DISC: Shape = CIRCLE
SQUARE: Shape = ((-1, -1), (1, -1), (1, 1), (-1, 1))
_TRIANGLE: Shape = ((-1.1, -0.8), (1.1, -0.8), (0.0, 1.1))
_YIELD: Shape = ((0.0, -1.1), (1.1, 0.8), (-1.1, 0.8))
_DIAMOND: Shape = ((0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0))
_OCTAGON: Shape = tuple(
    (
        1.08 * math.cos(math.pi * (k / 4 + 1 / 8)),
        1.08 * math.sin(math.pi * (k / 4 + 1 / 8)),
    )
    for k in range(8)
)
_BAR: Shape = ((-0.7, -0.2), (0.7, -0.2), (0.7, 0.2), (-0.7, 0.2))
_ARROW: Shape = (
    (-0.15, -0.7), (0.15, -0.7), (0.15, 0.05), (0.5, 0.05), (0.0, 0.7), (-0.5, 0.05),
    (-0.15, 0.05),
)  # fmt: skip
_WALKER: Shape = (
    (-0.4, -0.6), (-0.1, -0.1), (-0.2, 0.3), (0.0, 0.6), (0.25, 0.3), (0.1, -0.1),
    (0.45, -0.6), (0.2, -0.6), (0.0, -0.25), (-0.2, -0.6),
)  # fmt: skip

_RED, _BLUE, _YELLOW = (212, 24, 36), (24, 84, 204), (248, 204, 20)
_WHITE, _BLACK = (244, 244, 240), (28, 28, 32)


class Sign(NamedTuple):
    """A traffic sign: layers of (shape, share of the size, colour), outermost first."""

    name: str
    size: float
    layers: tuple[tuple[Shape, float, Colour], ...]


SIGNS = (
    Sign("no entry", 0.40, ((DISC, 1, _WHITE), (DISC, 0.93, _RED), (_BAR, 1, _WHITE))),
    Sign("limit", 0.40, ((DISC, 1, _RED), (DISC, 0.72, _WHITE), (_BAR, 0.6, _BLACK))),
    Sign(
        "stop",
        0.44,
        ((_OCTAGON, 1, _WHITE), (_OCTAGON, 0.92, _RED), (_BAR, 1, _WHITE)),
    ),
    Sign(
        "warning",
        0.46,
        ((_TRIANGLE, 1, _RED), (_TRIANGLE, 0.66, _WHITE), (_WALKER, 0.45, _BLACK)),
    ),
    Sign("yield", 0.46, ((_YIELD, 1, _RED), (_YIELD, 0.62, _WHITE))),
    Sign("priority", 0.42, ((_DIAMOND, 1, _WHITE), (_DIAMOND, 0.76, _YELLOW))),
    Sign(
        "ahead only",
        0.40,
        ((DISC, 1, _WHITE), (DISC, 0.94, _BLUE), (_ARROW, 1, _WHITE)),
    ),
    Sign(
        "crossing",
        0.42,
        (
            (SQUARE, 1, _WHITE),
            (SQUARE, 0.93, _BLUE),
            (_TRIANGLE, 0.72, _WHITE),
            (_WALKER, 0.5, _BLACK),
        ),
    ),
    Sign(
        "parking",
        0.42,
        ((SQUARE, 1, _WHITE), (SQUARE, 0.93, _BLUE), (_ARROW, 0.95, _WHITE)),
    ),
)


def draw_flat(
    canvas: Canvas, shape: Shape, x, y, z, size, colour: Colour
) -> Sequence[Point2]:
    """Paints a shape that faces the camera; returns its outline."""
    corners = [(x + size * a, y + size * b, z) for a, b in shape]
    return canvas.face(corners, colour, facing(z))


def draw_sign(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """A post with one or two signs that face the camera."""
    x, z = pose.x, pose.z
    low = rng.uniform(2.1, 2.5)
    signs = rng.sample(SIGNS, rng.choice((1, 2, 2)))
    high = pose.level + low + sum(2.2 * sign.size for sign in signs)
    draw_post(
        canvas, x, z, pose.level, high, rng.uniform(0.06, 0.085), rng.choice(POLES)
    )
    y = pose.level + low
    for sign in signs:
        y += 1.1 * sign.size
        for index, (shape, share, colour) in enumerate(sign.layers):
            lit = canvas.light.lit(colour, TOWARDS)
            outline = draw_flat(canvas, shape, x, y, z, sign.size * share, lit)
            if index == 0:
                canvas.claim("traffic sign", outline)
        y += 1.1 * sign.size


def draw_direction_board(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Two posts that carry a large blue or yellow board with lines of text."""
    x, z, level = pose.x, pose.z, pose.level
    wide, tall, low = rng.uniform(0.8, 1.1), rng.uniform(0.5, 0.7), 2.3
    for offset in (-0.6 * wide, 0.6 * wide):
        draw_post(canvas, x + offset, z, level, low + 2 * tall, 0.07, rng.choice(POLES))
    back, ink = rng.choice(((_BLUE, _WHITE), (_YELLOW, _BLACK)))
    y = level + low + tall
    for grow, colour in ((1.0, ink), (0.95, back)):
        corners = [
            (x + a * wide * grow, y + b * (tall + grow - 1), z) for a, b in SQUARE
        ]
        outline = canvas.face(corners, canvas.light.lit(colour, TOWARDS), facing(z))
        if grow == 1.0:
            canvas.claim("traffic sign", outline)
    lit = canvas.light.lit(ink, TOWARDS)
    for row in range(3):
        line = y + tall * (0.55 - 0.5 * row)
        end = rng.uniform(0.1, 0.75)
        corners = ((-0.45, -0.1), (end, -0.1), (end, 0.1), (-0.45, 0.1))
        canvas.face(
            [(x + a * wide, line + b * tall, z) for a, b in corners], lit, facing(z)
        )
        draw_flat(canvas, _ARROW, x - 0.7 * wide, line, z, 0.16 * tall / 0.6, lit)
