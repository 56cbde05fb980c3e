"""Street furniture: lamps, traffic signs and lights, bins, walls and fences."""

import math
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes.body import SQUARE, Body, Pose, Shape, unit_circle
from keras_lraspp.street_scenes.camera import Colour, scale_colour
from keras_lraspp.street_scenes.canvas import Canvas, Facade

_POLES = ((132, 136, 140), (150, 152, 152), (112, 118, 122), (124, 128, 126))
_BINS = ((60, 70, 66), (236, 190, 30), (90, 60, 50), (60, 80, 120))
_RED, _BLUE, _YELLOW = (212, 24, 36), (24, 84, 204), (248, 204, 20)
_WHITE, _BLACK = (244, 244, 240), (28, 28, 32)
_SIGNAL_LAMPS = ((255, 44, 30), (255, 186, 30), (40, 250, 140))

_DISC = unit_circle(20)
_TRIANGLE: Shape = ((-1.1, -0.8), (1.1, -0.8), (0.0, 1.1))
_YIELD: Shape = ((0.0, -1.1), (1.1, 0.8), (-1.1, 0.8))
_DIAMOND: Shape = ((0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0))
_EIGHTHS = [math.pi * (k / 4 + 1 / 8) for k in range(8)]
_OCTAGON: Shape = [(1.08 * math.cos(a), 1.08 * math.sin(a)) for a in _EIGHTHS]
_BAR: Shape = ((-0.7, -0.2), (0.7, -0.2), (0.7, 0.2), (-0.7, 0.2))
_ARROW: Shape = ((-0.15, -0.7), (0.15, -0.7), (0.15, 0.05), (0.5, 0.05), (0.0, 0.7),
                 (-0.5, 0.05), (-0.15, 0.05))  # fmt: skip
_WALKER: Shape = ((-0.4, -0.6), (-0.1, -0.1), (-0.2, 0.3), (0.0, 0.6), (0.25, 0.3),
                  (0.1, -0.1), (0.45, -0.6), (0.2, -0.6), (0.0, -0.25),
                  (-0.2, -0.6))  # fmt: skip


class _Sign(NamedTuple):
    """A traffic sign: layers of (shape, share of the size, colour), outermost first."""

    name: str
    size: float
    layers: tuple[tuple[Shape, float, Colour], ...]


_SIGNS = (
    _Sign("no entry", 0.40, ((_DISC, 1, _WHITE), (_DISC, 0.93, _RED),
                             (_BAR, 1, _WHITE))),
    _Sign("limit", 0.40, ((_DISC, 1, _RED), (_DISC, 0.72, _WHITE),
                          (_BAR, 0.6, _BLACK))),
    _Sign("stop", 0.44, ((_OCTAGON, 1, _WHITE), (_OCTAGON, 0.92, _RED),
                         (_BAR, 1, _WHITE))),
    _Sign("warning", 0.46, ((_TRIANGLE, 1, _RED), (_TRIANGLE, 0.66, _WHITE),
                            (_WALKER, 0.45, _BLACK))),
    _Sign("yield", 0.46, ((_YIELD, 1, _RED), (_YIELD, 0.62, _WHITE))),
    _Sign("priority", 0.42, ((_DIAMOND, 1, _WHITE), (_DIAMOND, 0.76, _YELLOW))),
    _Sign("ahead only", 0.40, ((_DISC, 1, _WHITE), (_DISC, 0.94, _BLUE),
                               (_ARROW, 1, _WHITE))),
    _Sign("crossing", 0.42, ((SQUARE, 1, _WHITE), (SQUARE, 0.93, _BLUE),
                             (_TRIANGLE, 0.72, _WHITE), (_WALKER, 0.5, _BLACK))),
    _Sign("parking", 0.42, ((SQUARE, 1, _WHITE), (SQUARE, 0.93, _BLUE),
                            (_ARROW, 0.95, _WHITE))),
)  # fmt: skip


def _lit(canvas: Canvas, colour: Colour) -> Colour:
    """A colour under the light on what faces the camera and leans back a little."""
    return canvas.light.lit(colour, (0.0, 0.25, -0.97))


def _draw_post(canvas: Canvas, pose: Pose, high, radius, colour: Colour) -> None:
    """A round post, up to `high` metres: a dark and a bright half."""
    x, z, low, top = pose.x, pose.z, pose.level, 0.85 * radius
    lit, origin = _lit(canvas, colour), (x, 0.0, z)
    shape = ((-radius, low), (radius, low), (top, high), (-top, high))
    canvas.billboard(shape, origin, scale_colour(lit, 0.80), label="pole")
    side = math.copysign(radius, canvas.light.towards_sun[0])
    bright = ((0, low), (0.8 * side, low), (0.7 * side, high), (0, high))
    canvas.billboard(bright, origin, scale_colour(lit, 1.15))
    canvas.add_shadow([(x - radius, 0, z), (x + radius, 0, z), (x, high, z)])


def draw_lamp(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a street lamp whose arm reaches over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour, height = rng.choice(_POLES), rng.uniform(6.0, 8.0)
    radius = rng.uniform(0.10, 0.15)
    _draw_post(canvas, pose, height, radius, colour)
    reach = -math.copysign(rng.uniform(1.2, 2.0), x)
    lit, foot = _lit(canvas, colour), 1.7 * radius
    arm = ((0.0, -0.09), (reach, 0.30), (reach, 0.42), (0.0, 0.09))
    head = ((0.8 * reach, 0.22), (1.35 * reach, 0.36), (1.3 * reach, 0.52),
            (0.8 * reach, 0.42))  # fmt: skip
    base = ((-foot, 0.0), (foot, 0.0), (foot, 0.9), (-foot, 0.9))
    for shape, y, tone in ((arm, height, 1.0), (head, height, 0.7), (base, level, 0.9)):
        canvas.billboard(shape, (x, y, z), scale_colour(lit, tone), label="pole")


def draw_sign(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a post with one or two signs that face the camera."""
    low = rng.uniform(2.1, 2.5)
    signs = rng.sample(_SIGNS, rng.choice((1, 2, 2)))
    high = pose.level + low + sum(2.2 * sign.size for sign in signs)
    radius = rng.uniform(0.06, 0.085)
    _draw_post(canvas, pose, high, radius, rng.choice(_POLES))
    y = pose.level + low
    for sign in signs:
        y += 1.1 * sign.size
        label = "traffic sign"
        for shape, share, colour in sign.layers:
            size, origin = sign.size * share, (pose.x, y, pose.z)
            lit = _lit(canvas, colour)
            canvas.billboard(shape, origin, lit, (size, size), label=label)
            label = None
        y += 1.1 * sign.size


def draw_direction_board(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints two posts that carry a large blue or yellow board with lines of text."""
    x, z, level = pose.x, pose.z, pose.level
    wide, tall, low = rng.uniform(0.8, 1.1), rng.uniform(0.5, 0.7), 2.3
    for offset in (-0.6 * wide, 0.6 * wide):
        post = pose._replace(x=x + offset)
        _draw_post(canvas, post, low + 2 * tall, 0.07, rng.choice(_POLES))
    back, ink = rng.choice(((_BLUE, _WHITE), (_YELLOW, _BLACK)))
    y = level + low + tall
    for grow, colour, label in ((1.0, ink, "traffic sign"), (0.95, back, None)):
        size, lit = (wide * grow, tall + grow - 1), _lit(canvas, colour)
        canvas.billboard(SQUARE, (x, y, z), lit, size, label=label)
    lit = _lit(canvas, ink)
    for row in range(3):
        line, end = y + tall * (0.55 - 0.5 * row), rng.uniform(0.1, 0.75)
        text = ((-0.45, -0.1), (end, -0.1), (end, 0.1), (-0.45, 0.1))
        canvas.billboard(text, (x, line, z), lit, (wide, tall))
        size = 0.16 * tall / 0.6
        canvas.billboard(_ARROW, (x - 0.7 * wide, line, z), lit, (size, size))


def draw_traffic_light(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a post with a signal head, often another on an arm over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour = rng.choice(_POLES)
    state = rng.choice((0, 0, 1, 2, 2))
    arm = rng.random() < 0.55
    height, radius = (5.9, 0.10) if arm else (3.4, 0.08)
    _draw_post(canvas, pose, level + height, radius, colour)
    if arm:
        reach = -math.copysign(rng.uniform(2.2, 3.4), x)
        beam = ((0, 5.6), (reach, 5.7), (reach, 5.83), (0, 5.8))
        canvas.billboard(beam, (x, level, z), _lit(canvas, colour), label="pole")
        _draw_signal_head(canvas, x + reach, level + 5.1, z, state)
    _draw_signal_head(canvas, x, level + 2.9, z, state)


def _draw_signal_head(canvas: Canvas, x, y, z, state: int) -> None:
    half, tall, origin = 0.24, 0.66, (x, y, z)
    frame, back = _lit(canvas, (236, 236, 230)), _lit(canvas, (20, 22, 22))
    size = (half * 1.35, tall * 1.10)
    canvas.billboard(SQUARE, origin, frame, size, label="traffic light")
    canvas.billboard(SQUARE, origin, back, (half * 1.15, tall * 1.03))
    for index, colour in enumerate(_SIGNAL_LAMPS):
        glow = colour if index == state else scale_colour(colour, 0.22)
        canvas.billboard(_DISC, (x, y + (1 - index) * 0.42, z), glow, (0.18, 0.18))


def draw_bin(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a litter bin."""
    body = Body(canvas, pose)
    colour = rng.choice(_BINS)
    half, height = 0.26, rng.uniform(0.9, 1.3)
    inside = (0.0, height / 2, 0.0)
    base = [(half * a, 0.0, half * b) for a, b in SQUARE]
    top = [(a, height, b) for a, _, b in base]
    for k in range(4):
        body.facet((base[k - 1], base[k], top[k], top[k - 1]), inside, colour)
    body.facet(top, inside, scale_colour(colour, 0.7))
    slot = [(-half, height - 0.3 + 0.08 * b, 0.6 * half * a) for a, b in SQUARE]
    body.facet(slot, inside, (24, 24, 26), detail=True)
    body.add_shadow(base, 0.6)
    body.add_shadow([*base, *top])
    body.annotate("static")


class _Masonry(NamedTuple):
    """Stonework of a wall, and its coping on top."""

    name: str
    texture: str
    colours: tuple[Colour, ...]
    coping: Colour


_MASONRY = (
    _Masonry("stone", "stones", ((142, 122, 108), (130, 116, 112)), (176, 160, 144)),
    _Masonry("brick", "stones", ((150, 112, 96), (138, 108, 100)), (186, 172, 158)),
    _Masonry("concrete", "panels", ((150, 134, 124), (140, 128, 122)), (128, 116, 108)),
)


def draw_wall(canvas: Canvas, x, start, end, rng: Random, level=0.0) -> None:
    """Paints a wall at `x` between two distances, with a coping on top."""
    kind = rng.choice(_MASONRY)
    high = level + rng.uniform(1.6, 2.8)
    colour, outer = rng.choice(kind.colours), math.copysign(1.0, x)
    gable = Facade(canvas, start, is_along=False)
    lit = gable.lit(colour)
    gable.rectangle(x, x + 0.35 * outer, level, high, lit, kind.texture, "wall")
    front = Facade(canvas, x)
    lit = front.lit(colour)
    front.rectangle(start, end, level, high, lit, kind.texture, "wall")
    coping = Facade(canvas, x - 0.06 * outer)
    lit = coping.lit(kind.coping)
    coping.rectangle(start, end, high - 0.12, high + 0.06, lit, label="wall")
    front.add_shadow(start, end, high)


class _FenceKind(NamedTuple):
    """How a fence is built; lengths in metres."""

    name: str
    height: tuple[float, float]
    pitch: float
    picket: float  # width of a picket
    rails: tuple[float, ...]  # shares of the height
    colours: tuple[Colour, ...]


_FENCES = (
    _FenceKind("pickets", (1.3, 1.6), 0.22, 0.15, (0.25, 0.75),
               ((176, 122, 62), (190, 138, 78), (160, 104, 50))),
    _FenceKind("planks", (1.7, 2.1), 0.26, 0.235, (0.2, 0.85),
               ((168, 112, 56), (150, 98, 52), (184, 130, 74))),
    _FenceKind("slats", (1.4, 1.8), 0.20, 0.12, (0.12, 0.92),
               ((196, 142, 80), (172, 116, 60))),
)  # fmt: skip


def draw_fence(canvas: Canvas, x, start, end, rng: Random, level=0.0) -> None:
    """Paints a fence at `x`; one sees between its pickets, but they are its label."""
    kind = rng.choice(_FENCES)
    high = level + rng.uniform(*kind.height)
    fence = Facade(canvas, x)
    lit = fence.lit(rng.choice(kind.colours))
    # A tone for each part of the colour: no two pickets have quite the same wood.
    tones = [tuple(rng.uniform(0.86, 1.1) * part for part in lit) for _ in range(6)]
    dark = scale_colour(lit, 0.62)
    for share in kind.rails:
        middle = level + share * (high - level)
        fence.rectangle(start, end, middle - 0.05, middle + 0.05, dark)
    z, index = start, 0
    while z < end:
        # Far away a picket is thinner than a sample: draw fewer and wider ones.
        merge = 1 + int(z * z / (abs(x) * canvas.camera.focal * 0.5))
        right = min(end, z + kind.picket * merge)
        tip = high + (0.05 if index % 2 else 0.0)
        fence.rectangle(z, right, level + 0.06, tip, tones[index * 7 % 6])
        if index % 10 == 0:
            fence.rectangle(z, min(end, z + 0.16), level, high + 0.12, dark)
        z += kind.pitch * merge
        index += 1
    corners = ((x, level, start), (x, level, end), (x, high, end), (x, high, start))
    canvas.annotate("fence", canvas.camera.project(corners))
    fence.add_shadow(start, end, high, 0.3)
