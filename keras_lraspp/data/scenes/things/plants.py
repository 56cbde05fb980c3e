"""Trees, bushes and hedges."""

import math
import random
from functools import lru_cache

from keras_lraspp.data.scenes.picture.camera import Point2, Point3
from keras_lraspp.data.scenes.picture.canvas import Canvas, along, facing
from keras_lraspp.data.scenes.picture.light import Colour

LEAVES: tuple[Colour, ...] = (
    (46, 92, 34), (58, 106, 40), (36, 80, 42), (66, 112, 34), (40, 88, 30),
)  # fmt: skip
BARKS: tuple[Colour, ...] = ((84, 66, 50), (104, 88, 70), (70, 58, 48))

_SUNNY = (0.0, 0.62, -0.78)


def draw_tree(canvas: Canvas, x: float, z: float, rng: random.Random, level=0.0):
    """Paints a tree with its shadow; its trunk counts as vegetation too."""
    # How much is drawn depends on the picture's size; what follows must not.
    rng = random.Random(rng.getrandbits(32))
    conifer = rng.random() < 0.2
    height = rng.uniform(5.0, 8.5)
    radius = rng.uniform(1.3, 2.3) * (0.75 if conifer else 1.0)
    stem = height - 1.7 * radius if not conifer else 1.0
    leaf, bark = rng.choice(LEAVES), rng.choice(BARKS)
    trunk = rng.uniform(0.14, 0.24)
    canvas.cast([(x - trunk, level, z), (x + trunk, level, z), (x, stem, z)])
    crown_shadow = [
        (x + radius * math.cos(k), stem + radius, z + radius * math.sin(k))
        for k in (0.0, 0.8, 1.6, 2.4, 3.2, 4.0, 4.8, 5.6)
    ]
    canvas.cast(crown_shadow)
    canvas.cast([(x + trunk * a * 2, 0.0, z + trunk * b * 2) for a, b in _SQUARE], 0.5)
    stem_corners = (
        (x - trunk, level, z), (x - 0.6 * trunk, stem + 0.5, z),
        (x + 0.6 * trunk, stem + 0.5, z), (x + trunk, level, z),
    )  # fmt: skip
    if not canvas.sees(x, z, 1.5 * radius):
        return
    lit = canvas.light.lit(bark, _SUNNY)
    outline = canvas.face(stem_corners, lit, facing(z), "bark")
    canvas.claim("vegetation", outline)
    if conifer:
        _draw_conifer(canvas, x, z, stem, height, radius, leaf, rng)
    else:
        _draw_crown(canvas, x, stem + 0.75 * radius, z, radius, leaf, rng)


_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def _star(rng: random.Random, points: int, roughness: float) -> list[Point2]:
    """A closed, leafy outline around the origin with radius about 1."""
    return [
        (radius * cos, radius * sin)
        for cos, sin in _directions(points)
        for radius in (1.0 + roughness * (rng.random() - 0.5),)
    ]


def _crown_outline(rng: random.Random) -> list[Point2]:
    """The outline of a whole crown: a few large lobes with ragged edges."""
    waves = [
        (lobes, rng.uniform(0, math.tau), 0.28 * rng.uniform(0.3, 1.0) / lobes)
        for lobes in (3, 5, 8)
    ]
    outline = []
    for index, (x, y) in enumerate(_star(rng, 72, 0.16)):
        angle = math.tau * index / 72
        grow = 1.0 + sum(a * math.sin(k * angle + phase) for k, phase, a in waves)
        outline.append((x * grow, y * grow))
    return outline


@lru_cache
def _directions(points: int) -> tuple[Point2, ...]:
    angles = (math.tau * k / points for k in range(points))
    return tuple((math.cos(angle), math.sin(angle)) for angle in angles)


def _draw_crown(canvas, x, y, z, radius, leaf: Colour, rng) -> None:
    lobes = 1.0 if radius * canvas.camera.focal / z > 24 else 0.5

    def place(star, centre_x, centre_y, size) -> list[Point3]:
        return [(centre_x + size * a, centre_y + size * b, z) for a, b in star]

    shade = tuple(0.60 * part for part in leaf)
    outline = canvas.face(
        place(_crown_outline(rng), x, y, radius),
        canvas.light.lit(shade, _SUNNY), facing(z), "leaves",
    )  # fmt: skip
    sun_x = canvas.light.towards_sun[0]
    for tone, count, reach in ((0.80, 6, 0.58), (1.02, 6, 0.50), (1.22, 5, 0.44)):
        colour = canvas.light.lit(tuple(tone * part for part in leaf), _SUNNY)
        surface = canvas.surface(colour, facing(z), "leaves")
        for _ in range(int(lobes * count)):
            angle = rng.uniform(0, math.tau)
            away = radius * rng.uniform(0.1, reach)
            centre_x = x + away * math.cos(angle) + 0.14 * radius * sun_x
            centre_y = y + away * math.sin(angle) + 0.16 * radius
            size = radius * rng.uniform(0.16, 0.34)
            lobe = place(_star(rng, 16, 0.45), centre_x, centre_y, size)
            canvas.fill(canvas.camera.project(lobe), surface)
    canvas.claim("vegetation", outline)


def _draw_conifer(canvas, x, z, stem, height, radius, leaf: Colour, rng) -> None:
    layers = 6
    left: list[Point2] = []
    right: list[Point2] = []
    for k in range(layers):
        low = stem + (height - stem) * k / layers
        wide = radius * (1 - k / layers) * rng.uniform(0.9, 1.1)
        left += [(x - wide, low), (x - 0.55 * wide, low + 0.25)]
        right += [(x + wide, low), (x + 0.55 * wide, low + 0.25)]
    profile = [*left, (x, height), *reversed(right)]
    shade = canvas.light.lit(tuple(0.7 * part for part in leaf), _SUNNY)
    outline = canvas.face([(a, b, z) for a, b in profile], shade, facing(z), "leaves")
    bright = canvas.light.lit(tuple(1.0 * part for part in leaf), _SUNNY)
    offset = 0.2 * radius * (1 if canvas.light.towards_sun[0] > 0 else -1)
    inner = [
        (x + 0.6 * (a - x) + offset * (height - b) / height, b, z) for a, b in profile
    ]
    canvas.face(inner, bright, facing(z), "leaves")
    canvas.claim("vegetation", outline)


def draw_bush(canvas: Canvas, x: float, z: float, rng: random.Random, level=0.0):
    """Paints a bush about as high as a person's waist or chest."""
    size = rng.uniform(0.6, 1.1)
    star = [(x + 1.3 * size * a, max(level, level + size * (0.75 + b)), z)
            for a, b in _star(rng, 40, 0.25)]  # fmt: skip
    colour = canvas.light.lit(rng.choice(LEAVES), _SUNNY)
    canvas.cast([(x - size, 0, z), (x + size, 0, z), (x, 1.5 * size, z)])
    canvas.claim("vegetation", canvas.face(star, colour, facing(z), "leaves"))


def draw_hedge(
    canvas: Canvas, x: float, start: float, end: float, rng: random.Random, level=0.0
) -> None:
    """Paints a clipped hedge along the street between two distances."""
    height, depth = level + rng.uniform(1.0, 2.0), math.copysign(0.8, x)
    leaf = rng.choice(LEAVES)
    normal = (-math.copysign(1.0, x), 0.3, 0.0)
    steps = max(2, int((end - start) / 0.7))
    top = [
        (x, height + rng.uniform(-0.07, 0.07), start + (end - start) * k / steps)
        for k in range(steps + 1)
    ]
    side = [(x, level, end), (x, level, start), *top]
    outline = canvas.face(side, canvas.light.lit(leaf, normal), along(x), "leaves")
    end_face = (
        (x, level, start), (x + depth, level, start), (x + depth, height, start),
        (x, height, start),
    )  # fmt: skip
    dark = canvas.light.lit(tuple(0.8 * part for part in leaf), (0, 0.2, -0.97))
    canvas.claim("vegetation", canvas.face(end_face, dark, facing(start), "leaves"))
    canvas.claim("vegetation", outline)
    canvas.cast([(x, 0, start), (x, 0, end), (x, height, start), (x, height, end)])
