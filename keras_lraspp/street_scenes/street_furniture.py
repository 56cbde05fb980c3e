"""Posts on the pavement: street lamps, and the posts that carry other things."""

import math
import random
from collections.abc import Sequence
from typing import NamedTuple

from keras_lraspp.street_scenes.body import CIRCLE, Body, Pose
from keras_lraspp.street_scenes.camera import Colour, Point2
from keras_lraspp.street_scenes.canvas import Canvas, along, facing

POLES: tuple[Colour, ...] = (
    (132, 136, 140), (150, 152, 152), (112, 118, 122), (124, 128, 126),
)  # fmt: skip

# What faces the camera and leans back a little.
TOWARDS = (0.0, 0.25, -0.97)


def draw_post(
    canvas: Canvas,
    x: float,
    z: float,
    low: float,
    high: float,
    radius: float,
    colour: Colour,
) -> None:
    """A round post: a dark and a bright half, and its label."""
    lit = canvas.light.lit(colour, TOWARDS)
    corners = (
        (x - radius, low, z), (x + radius, low, z), (x + 0.85 * radius, high, z),
        (x - 0.85 * radius, high, z),
    )  # fmt: skip
    outline = canvas.face(corners, tuple(0.80 * c for c in lit), facing(z))
    side = math.copysign(1.0, canvas.light.towards_sun[0])
    bright = (
        (x, low, z), (x + side * 0.8 * radius, low, z),
        (x + side * 0.7 * radius, high, z), (x, high, z),
    )  # fmt: skip
    canvas.face(bright, tuple(1.15 * c for c in lit), facing(z))
    canvas.claim("pole", outline)
    canvas.cast([(x - radius, 0, z), (x + radius, 0, z), (x, high, z)])


def draw_lamp(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """A street lamp whose arm reaches over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour, height = rng.choice(POLES), rng.uniform(6.0, 8.0)
    radius = rng.uniform(0.10, 0.15)
    draw_post(canvas, x, z, level, height, radius, colour)
    reach = -math.copysign(rng.uniform(1.2, 2.0), x)
    lit = canvas.light.lit(colour, TOWARDS)
    arm = (
        (0.0, -0.09), (reach, 0.30), (reach, 0.42), (0.0, 0.09),
    )  # fmt: skip
    head = (
        (0.8 * reach, 0.22), (1.35 * reach, 0.36), (1.3 * reach, 0.52),
        (0.8 * reach, 0.42),
    )  # fmt: skip
    for shape, tone in ((arm, 1.0), (head, 0.7)):
        corners = [(x + right, height + up, z) for right, up in shape]
        outline = canvas.face(corners, tuple(tone * c for c in lit), facing(z))
        canvas.claim("pole", outline)
    foot = 1.7 * radius
    base = ((x - foot, level, z), (x + foot, level, z), (x + foot, level + 0.9, z),
            (x - foot, level + 0.9, z))  # fmt: skip
    canvas.claim("pole", canvas.face(base, tuple(0.9 * c for c in lit), facing(z)))


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


def draw_traffic_light(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """A post with a signal head, often a second one on an arm over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour = rng.choice(POLES)
    state = rng.choice((0, 0, 1, 2, 2))
    arm = rng.random() < 0.55
    height = 5.9 if arm else 3.4
    draw_post(canvas, x, z, level, level + height, 0.10 if arm else 0.08, colour)
    if arm:
        reach = -math.copysign(rng.uniform(2.2, 3.4), x)
        lit = canvas.light.lit(colour, TOWARDS)
        beam = ((x, level + 5.6, z), (x + reach, level + 5.7, z),
                (x + reach, level + 5.83, z), (x, level + 5.8, z))  # fmt: skip
        canvas.claim("pole", canvas.face(beam, lit, facing(z)))
        _signal_head(canvas, x + reach, level + 5.1, z, state)
    _signal_head(canvas, x, level + 2.9, z, state)


def _signal_head(canvas: Canvas, x, y, z, state: int) -> None:
    half, tall = 0.24, 0.66
    outline = canvas.face(
        [(x + half * 1.35 * a, y + tall * 1.10 * b, z) for a, b in SQUARE],
        canvas.light.lit((236, 236, 230), TOWARDS),
        facing(z),
    )
    canvas.face(
        [(x + half * 1.15 * a, y + tall * 1.03 * b, z) for a, b in SQUARE],
        canvas.light.lit((20, 22, 22), TOWARDS), facing(z),
    )  # fmt: skip
    lamps = ((255, 44, 30), (255, 186, 30), (40, 250, 140))
    for index, colour in enumerate(lamps):
        glow = colour if index == state else tuple(0.22 * part for part in colour)
        draw_flat(canvas, DISC, x, y + (1 - index) * 0.42, z, 0.18, glow)
    canvas.claim("traffic light", outline)


COLOURS: tuple[Colour, ...] = (
    (60, 70, 66), (236, 190, 30), (90, 60, 50), (60, 80, 120),
)  # fmt: skip

_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def draw_bin(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a bin with its shadow and label."""
    body = Body(canvas, pose)
    colour = rng.choice(COLOURS)
    half, height = 0.26, rng.uniform(0.9, 1.3)
    inside = (0.0, height / 2, 0.0)
    base = [(half * a, 0.0, half * b) for a, b in _SQUARE]
    top = [(a, height, b) for a, _, b in base]
    for k in range(4):
        body.facet((base[k - 1], base[k], top[k], top[k - 1]), inside, colour)
    body.facet(top, inside, tuple(0.7 * part for part in colour))
    slot = [(-half, height - 0.3 + 0.08 * b, 0.6 * half * a) for a, b in _SQUARE]
    body.facet(slot, inside, (24, 24, 26), detail=True)
    body.cast(base, 0.6)
    body.cast([*base, *top])
    body.finish("static")


class Masonry(NamedTuple):
    """What a wall is built of."""

    name: str
    texture: str
    colours: tuple[Colour, ...]
    coping: Colour


MASONRY = (
    Masonry("stone", "stones", ((142, 122, 108), (130, 116, 112)), (176, 160, 144)),
    Masonry("brick", "stones", ((150, 112, 96), (138, 108, 100)), (186, 172, 158)),
    Masonry("concrete", "panels", ((150, 134, 124), (140, 128, 122)), (128, 116, 108)),
)


class FenceKind(NamedTuple):
    """How a fence is built; lengths in metres."""

    name: str
    height: tuple[float, float]
    pitch: float
    picket: float
    rails: tuple[float, ...]
    colours: tuple[Colour, ...]


FENCES = (
    FenceKind(
        "pickets", (1.3, 1.6), 0.22, 0.15, (0.25, 0.75),
        ((176, 122, 62), (190, 138, 78), (160, 104, 50)),
    ),
    FenceKind(
        "planks", (1.7, 2.1), 0.26, 0.235, (0.2, 0.85),
        ((168, 112, 56), (150, 98, 52), (184, 130, 74)),
    ),
    FenceKind(
        "slats", (1.4, 1.8), 0.20, 0.12, (0.12, 0.92),
        ((196, 142, 80), (172, 116, 60)),
    ),
)  # fmt: skip


def draw_wall(
    canvas: Canvas, x: float, start: float, end: float, rng: random.Random, level=0.0
) -> None:
    """Paints a wall at `x` between two distances, with a coping on top."""
    kind = rng.choice(MASONRY)
    height = level + rng.uniform(1.6, 2.8)
    colour, inner = rng.choice(kind.colours), -math.copysign(1.0, x)
    thick = 0.35 * math.copysign(1.0, x)
    lit = canvas.light.lit(colour, (inner, 0, 0))
    end_lit = canvas.light.lit(colour, (0, 0, -1))
    end_corners = ((x, level, start), (x + thick, level, start),
                   (x + thick, height, start), (x, height, start))  # fmt: skip
    canvas.claim("wall", canvas.face(end_corners, end_lit, facing(start), kind.texture))
    corners = ((x, level, start), (x, level, end), (x, height, end), (x, height, start))
    canvas.claim("wall", canvas.face(corners, lit, along(x), kind.texture))
    lip = x + 0.06 * inner
    coping = ((lip, height - 0.12, start), (lip, height - 0.12, end),
              (lip, height + 0.06, end), (lip, height + 0.06, start))  # fmt: skip
    coping_lit = canvas.light.lit(kind.coping, (inner, 0, 0))
    canvas.claim("wall", canvas.face(coping, coping_lit, along(lip)))
    canvas.cast([(x, 0, start), (x, 0, end), (x, height, start), (x, height, end)])


def draw_fence(
    canvas: Canvas, x: float, start: float, end: float, rng: random.Random, level=0.0
) -> None:
    """Paints a fence at `x`; one sees between its pickets, but they are its label."""
    kind = rng.choice(FENCES)
    high = level + rng.uniform(*kind.height)
    colour, inner = rng.choice(kind.colours), -math.copysign(1.0, x)
    plane = along(x)
    lit = canvas.light.lit(colour, (inner, 0, 0))
    surfaces = [
        canvas.surface(tuple(rng.uniform(0.86, 1.1) * part for part in lit), plane)
        for _ in range(6)
    ]
    dark = canvas.surface(tuple(0.62 * part for part in lit), plane)
    project = canvas.camera.project

    def board(z0: float, z1: float, low: float, top: float, surface: int):
        corners = ((x, low, z0), (x, low, z1), (x, top, z1), (x, top, z0))
        return canvas.fill(project(corners), surface)

    height = high - level
    for share in kind.rails:
        middle = level + share * height
        board(start, end, middle - 0.05, middle + 0.05, dark)
    z = start
    index = 0
    while z < end:
        # Far away a picket is thinner than a sample: draw fewer and wider ones.
        merge = 1 + int(z * z / (abs(x) * canvas.camera.focal * 0.5))
        width = kind.picket * merge
        tip = high + (0.05 if index % 2 else 0.0)
        board(z, min(end, z + width), level + 0.06, tip, surfaces[index * 7 % 6])
        if index % 10 == 0:
            board(z, min(end, z + 0.16), level, high + 0.12, dark)
        z += kind.pitch * merge
        index += 1
    corners = ((x, level, start), (x, level, end), (x, high, end), (x, high, start))
    canvas.claim("fence", project(corners))
    canvas.cast([(x, 0, start), (x, 0, end), (x, high, start), (x, high, end)], 0.3)
