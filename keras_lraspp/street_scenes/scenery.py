"""Houses along the street: facades in perspective, gable ends, roofs."""

import math
import random
from functools import lru_cache
from typing import NamedTuple

from keras_lraspp.street_scenes.camera import Colour, Point2, Point3
from keras_lraspp.street_scenes.canvas import Canvas, along, facing


class Facade(NamedTuple):
    """One side of a building, with its own coordinates (metres along, metres up)."""

    canvas: Canvas
    at: float
    is_along: bool

    def span(self) -> tuple[float, float]:
        """The part of the facade that can be in the picture and is not too far."""
        camera, width = self.canvas.camera, self.canvas.label_image.size[0]
        if not self.is_along:
            return (
                -camera.centre / camera.focal * self.at,
                (width - camera.centre) / camera.focal * self.at,
            )
        edge = camera.centre if self.at < 0 else width - camera.centre
        # Beyond the far end, a window is narrower than one sample.
        return (
            abs(self.at) * camera.focal / edge,
            math.sqrt(1.2 * abs(self.at) * camera.focal),
        )

    def board(self, left, right, low, high, colour: Colour, texture="plain"):
        """Paints a rectangle of the facade in a colour that is lit already."""
        if self.is_along:
            corners = ((self.at, low, left), (self.at, low, right),
                       (self.at, high, right), (self.at, high, left))  # fmt: skip
            plane = along(self.at)
        else:
            corners = ((left, low, self.at), (right, low, self.at),
                       (right, high, self.at), (left, high, self.at))  # fmt: skip
            plane = facing(self.at)
        return self.canvas.face(corners, colour, plane, texture)

    def lit(self, colour: Colour) -> Colour:
        """A colour under the light that falls on this side."""
        normal = (-math.copysign(1.0, self.at), 0, 0) if self.is_along else (0, 0, -1)
        return self.canvas.light.lit(colour, normal)


class Style(NamedTuple):
    """A style of building; lengths in metres."""

    name: str
    texture: str
    colours: tuple[Colour, ...]
    trim: Colour
    storey: float
    pitch: float
    window: tuple[float, float]
    storeys: tuple[int, int]


STYLES = (
    Style(
        "plaster", "plaster",
        ((222, 200, 160), (214, 178, 134), (206, 188, 160), (226, 208, 180),
         (200, 160, 120), (216, 192, 150)),
        (238, 232, 220), 3.1, 2.7, (1.15, 1.6), (3, 5),
    ),
    Style(
        "brick", "bricks",
        ((158, 92, 70), (142, 84, 66), (170, 106, 80)), (222, 208, 186),
        3.1, 2.8, (1.2, 1.6), (3, 5),
    ),
    Style(
        "offices", "plaster",
        ((190, 178, 162), (176, 166, 156), (204, 194, 176)), (150, 144, 138),
        3.3, 2.2, (1.75, 1.9), (4, 7),
    ),
    Style(
        "old town", "plaster",
        ((226, 180, 120), (212, 150, 110), (220, 196, 140), (204, 140, 110)),
        (240, 232, 214), 3.0, 2.3, (1.0, 1.65), (2, 4),
    ),
)  # fmt: skip

ROOFS: tuple[Colour, ...] = ((136, 74, 56), (120, 62, 50), (96, 84, 80), (110, 92, 84))
GLASS: tuple[Colour, ...] = ((62, 74, 88), (74, 90, 106), (50, 58, 70), (96, 112, 126))
SHUTTERS: tuple[Colour, ...] = ((110, 60, 44), (120, 100, 80), (90, 80, 74))
AWNINGS: tuple[Colour, ...] = ((170, 50, 44), (196, 160, 80), (120, 90, 70))


def draw_house(
    canvas: Canvas, x: float, start: float, end: float, rng: random.Random
) -> float:
    """Paints a house whose front is at `x`; returns its height in metres."""
    style = rng.choice(STYLES)
    colour = tuple(rng.uniform(0.93, 1.05) * part for part in rng.choice(style.colours))
    storeys = rng.randint(*style.storeys)
    height = storeys * style.storey + 0.9
    depth = math.copysign(9.0, x)
    seed = rng.getrandbits(32)
    gable = Facade(canvas, start, False)
    _draw_roof(gable, style, colour, (x, x + depth), end, height, rng)
    left, right = sorted((x, x + depth))
    wall = gable.board(left, right, 0.0, height, gable.lit(colour), style.texture)
    canvas.claim("building", wall)
    if start > 4.0:
        _draw_windows(gable, style, left + 0.6, right - 0.6, storeys, seed, sparse=True)
    front = Facade(canvas, x, True)
    wall = front.board(start, end, 0.0, height, front.lit(colour), style.texture)
    canvas.claim("building", wall)
    _draw_windows(front, style, start + 0.5, end - 0.5, storeys, seed)
    _draw_trim(front, style, start, end, height)
    _draw_shop(front, start, end, style.storey, random.Random(seed))
    corners = [
        (at, y, z) for at in (x, x + depth) for y in (0, height) for z in (start, end)
    ]
    canvas.cast(corners)
    return height


def _draw_windows(
    facade: Facade, style: Style, left, right, storeys, seed, sparse=False
) -> None:
    rng = random.Random(seed)
    count = max(1, int((right - left) / style.pitch))
    pitch = (right - left) / count
    wide, tall = style.window
    frame = facade.lit(style.trim)
    panes = [facade.lit(colour) for colour in GLASS]
    sheen = [tuple(1.35 * part + 14 for part in pane) for pane in panes]
    near, far = facade.span()
    detailed = 0.45 * far if facade.is_along else far
    shutters = facade.lit(rng.choice(SHUTTERS)) if rng.random() < 0.35 else None
    for storey in range(0 if sparse else 1, storeys):
        sill = storey * style.storey + 1.0
        for column in range(count):
            middle = left + (column + 0.5) * pitch
            pane = rng.randrange(len(panes))
            is_blind = sparse and rng.random() < 0.4
            if is_blind or middle + pitch < near or middle - pitch > far:
                continue
            a, b = middle - wide / 2, middle + wide / 2
            if shutters:
                facade.board(a - 0.42, b + 0.42, sill, sill + tall, shutters)
            facade.board(a - 0.09, b + 0.09, sill - 0.12, sill + tall + 0.09, frame)
            facade.board(a, b, sill, sill + tall, panes[pane])
            if middle > detailed:
                continue
            facade.board(a, middle - 0.04, sill + 0.45 * tall, sill + tall, sheen[pane])
            facade.board(middle - 0.04, middle + 0.04, sill, sill + tall, frame)


def _draw_trim(facade: Facade, style: Style, start, end, height) -> None:
    trim = facade.lit(style.trim)
    facade.board(start, end, height - 0.35, height, trim)
    facade.board(start, end, height - 0.5, height - 0.35, tuple(0.6 * c for c in trim))
    facade.board(start, end, style.storey - 0.05, style.storey + 0.15, trim)
    facade.board(start, end, 0.0, 0.5, tuple(0.55 * c for c in trim))


def _draw_shop(facade: Facade, start, end, storey, rng: random.Random) -> None:
    """The ground floor: doors, and shop windows under awnings."""
    glass = facade.lit((50, 58, 66))
    glow = facade.lit((150, 146, 126))
    frame = facade.lit((90, 74, 62))
    at = start + 0.6
    while at + 2.6 < end:
        if rng.random() < 0.35:
            door = facade.lit(rng.choice(((104, 54, 34), (70, 74, 80), (90, 30, 30))))
            facade.board(at, at + 1.3, 0.0, 2.5, frame)
            facade.board(at + 0.12, at + 1.18, 0.0, 2.35, door)
            facade.board(at + 0.3, at + 1.0, 1.4, 2.2, glass)
            at += 2.0
            continue
        facade.board(at, at + 2.3, 0.45, 2.5, frame)
        facade.board(at + 0.1, at + 2.2, 0.55, 2.4, glass)
        facade.board(at + 0.25, at + rng.uniform(0.8, 1.9), 0.65, 1.5, glow)
        if rng.random() < 0.5:
            awning = facade.lit(rng.choice(AWNINGS))
            for stripe in range(4):
                bright = 1.0 if stripe % 2 else 1.45
                facade.board(
                    at + 0.575 * stripe, at + 0.575 * (stripe + 1), 2.3, 2.85,
                    tuple(bright * part for part in awning),
                )  # fmt: skip
        at += 2.9


def _draw_roof(gable: Facade, style: Style, colour, xs, end, height, rng) -> None:
    """A pitched roof, seen where the gable end is free."""
    if rng.random() < 0.35:
        return
    canvas, start, (x, back) = gable.canvas, gable.at, xs
    ridge, top = (x + back) / 2, height + rng.uniform(1.8, 3.2)
    lit = canvas.light.lit(rng.choice(ROOFS), (-math.copysign(0.6, x), 0.8, 0.0))
    slope = (
        (x, height, start),
        (x, height, end),
        (ridge, top, end),
        (ridge, top, start),
    )
    plane = facing((start + end) / 2)
    canvas.claim("building", canvas.face(slope, lit, plane))
    corners = ((x, height, start), (ridge, top, start), (back, height, start))
    outline = canvas.face(corners, gable.lit(colour), facing(start), style.texture)
    canvas.claim("building", outline)


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
