"""Walls and fences along the street."""

import math
import random
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas, along, facing
from keras_lraspp.data.scenes.picture.light import Colour


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
