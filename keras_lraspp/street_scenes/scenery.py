"""Scenery beside the street: building lots, houses, trees, bushes, hedges."""

import math
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes.body import SQUARE, Pose, unit_circle
from keras_lraspp.street_scenes.camera import Colour, Point2, scale_colour
from keras_lraspp.street_scenes.canvas import Canvas, Facade, along, facing
from keras_lraspp.street_scenes.street import FAR, KERB_HEIGHT, BuildingLot, Street
from keras_lraspp.street_scenes.street_furniture import draw_fence, draw_wall


def draw_building_lots(canvas: Canvas, street: Street) -> None:
    """Paints the lots on both sides, the far ones first."""
    for side in (street.left, street.right):
        for lot in reversed(side.lots):
            _draw_lot(canvas, side, lot)


def _draw_lot(canvas: Canvas, side, lot: BuildingLot) -> None:
    rng = Random(lot.seed)
    x, start, end = side.sign * side.edge, lot.start, lot.end
    if lot.kind == "house":
        draw_house(canvas, x, start, end, rng)
        return
    if rng.random() < 0.75:
        set_back = x + side.sign * rng.uniform(5.0, 8.0)
        draw_house(canvas, set_back, start + 1.0, end - 1.5, rng)
    spots = rng.randint(2, 3)
    for k in reversed(range(spots)):
        z = start + (end - start) * (k + rng.uniform(0.3, 0.8)) / spots
        tree_x = x + side.sign * rng.uniform(2.0, 3.5)
        draw_tree(canvas, Pose(tree_x, z), rng)
    if lot.kind == "fence":
        for z in (end - 2.5, start + 3.0):
            if rng.random() < 0.5:
                draw_bush(canvas, Pose(x + side.sign * 1.5, z), rng)
        draw_fence(canvas, x, start, end, rng, KERB_HEIGHT)
    elif lot.kind == "wall":
        draw_wall(canvas, x, start, end, rng, KERB_HEIGHT)
    elif rng.random() < 0.5:
        draw_hedge(canvas, x + side.sign * 0.4, start, end, rng)
    else:
        draw_bush(canvas, Pose(x + side.sign * 1.2, (start + end) / 2), rng)


def draw_horizon(canvas: Canvas, rng: Random) -> None:
    """Closes the view at the street's far end with houses and trees."""
    row = Facade(canvas, FAR + 30.0, is_along=False)
    colour = row.lit((190, 172, 150))
    x = -150.0
    while x < 150.0:
        wide, high = rng.uniform(9.0, 18.0), rng.uniform(8.0, 20.0)
        row.rectangle(x, x + wide, 0, high, colour, "plaster", "building")
        x += wide
    green = canvas.light.lit((60, 96, 44), (0, 0.6, -0.8))
    for _ in range(9):
        x, radius = rng.uniform(-45.0, 45.0), rng.uniform(3.0, 5.0)
        crown = [
            (x + radius * (1 + rng.uniform(-0.15, 0.15)) * math.cos(k / 3),
             max(0.0, radius * (0.9 + 1.1 * math.sin(k / 3))))
            for k in range(19)
        ]  # fmt: skip
        origin = (0.0, 0.0, FAR + 6.0)
        canvas.billboard(crown, origin, green, texture="leaves", label="vegetation")


class _BuildingStyle(NamedTuple):
    """A style of building; lengths in metres."""

    name: str
    texture: str
    colours: tuple[Colour, ...]
    trim: Colour
    storey: float  # height of a storey
    pitch: float  # from one window to the next
    window: tuple[float, float]  # width and height
    storeys: tuple[int, int]  # fewest and most


_BUILDING_STYLES = (
    _BuildingStyle("plaster", "plaster",
                   ((222, 200, 160), (214, 178, 134), (206, 188, 160), (226, 208, 180),
                    (200, 160, 120), (216, 192, 150)),
                   (238, 232, 220), 3.1, 2.7, (1.15, 1.6), (3, 5)),
    _BuildingStyle("brick", "bricks", ((158, 92, 70), (142, 84, 66), (170, 106, 80)),
                   (222, 208, 186), 3.1, 2.8, (1.2, 1.6), (3, 5)),
    _BuildingStyle("offices", "plaster",
                   ((190, 178, 162), (176, 166, 156), (204, 194, 176)),
                   (150, 144, 138), 3.3, 2.2, (1.75, 1.9), (4, 7)),
    _BuildingStyle("old town", "plaster",
                   ((226, 180, 120), (212, 150, 110), (220, 196, 140), (204, 140, 110)),
                   (240, 232, 214), 3.0, 2.3, (1.0, 1.65), (2, 4)),
)  # fmt: skip

_ROOFS = ((136, 74, 56), (120, 62, 50), (96, 84, 80), (110, 92, 84))
_GLASS = ((62, 74, 88), (74, 90, 106), (50, 58, 70), (96, 112, 126))
_SHUTTERS = ((110, 60, 44), (120, 100, 80), (90, 80, 74))
_DOORS = ((104, 54, 34), (70, 74, 80), (90, 30, 30))
_AWNINGS = ((170, 50, 44), (196, 160, 80), (120, 90, 70))


def draw_house(canvas: Canvas, x: float, start: float, end: float, rng: Random) -> None:
    """Paints a house whose front is at `x`, from `start` to `end` metres ahead."""
    style = rng.choice(_BUILDING_STYLES)
    colour = tuple(rng.uniform(0.93, 1.05) * part for part in rng.choice(style.colours))
    storeys = rng.randint(*style.storeys)
    height = storeys * style.storey + 0.9
    back = x + math.copysign(9.0, x)
    seed = rng.getrandbits(32)
    gable, front = Facade(canvas, start, is_along=False), Facade(canvas, x)
    if rng.random() >= 0.35:
        _draw_roof(gable, style, colour, x, back, end, height, rng)
    left, right = sorted((x, back))
    wall = gable.lit(colour)
    gable.rectangle(left, right, 0.0, height, wall, style.texture, "building")
    if start > 4.0:
        _draw_windows(gable, style, left + 0.6, right - 0.6, storeys, seed)
    wall = front.lit(colour)
    front.rectangle(start, end, 0.0, height, wall, style.texture, "building")
    _draw_windows(front, style, start + 0.5, end - 0.5, storeys, seed)
    trim, storey = front.lit(style.trim), style.storey
    front.rectangle(start, end, height - 0.35, height, trim)
    front.rectangle(start, end, height - 0.5, height - 0.35, scale_colour(trim, 0.6))
    front.rectangle(start, end, storey - 0.05, storey + 0.15, trim)
    front.rectangle(start, end, 0.0, 0.5, scale_colour(trim, 0.55))
    _draw_shops(front, start, end, Random(seed))
    box = [(at, y, z) for at in (x, back) for y in (0, height) for z in (start, end)]
    canvas.add_shadow(box)


def _draw_roof(gable: Facade, style, colour, x, back, end, height, rng) -> None:
    """A pitched roof, seen where the gable end is free."""
    canvas, start = gable.canvas, gable.at
    ridge, top = (x + back) / 2, height + rng.uniform(1.8, 3.2)
    lit = canvas.light.lit(rng.choice(_ROOFS), (-math.copysign(0.6, x), 0.8, 0.0))
    slope = ((x, height, start), (x, height, end), (ridge, top, end),
             (ridge, top, start))  # fmt: skip
    canvas.polygon(slope, lit, facing((start + end) / 2), label="building")
    triangle = ((x, height), (ridge, top), (back, height))
    wall, origin = gable.lit(colour), (0.0, 0.0, start)
    canvas.billboard(triangle, origin, wall, texture=style.texture, label="building")


def _draw_windows(facade: Facade, style, left, right, storeys, seed) -> None:
    """Rows of windows; a gable has some on its ground floor, and blind ones."""
    rng = Random(seed)
    count = max(1, int((right - left) / style.pitch))
    pitch = (right - left) / count
    wide, tall = style.window
    frame = facade.lit(style.trim)
    panes = [facade.lit(colour) for colour in _GLASS]
    sheen = [tuple(1.35 * part + 14 for part in pane) for pane in panes]
    near, far = facade.visible_range()
    detailed = 0.45 * far if facade.is_along else far
    shutters = facade.lit(rng.choice(_SHUTTERS)) if rng.random() < 0.35 else None
    rectangle = facade.rectangle
    for storey in range(1 if facade.is_along else 0, storeys):
        sill = storey * style.storey + 1.0
        head = sill + tall
        for column in range(count):
            middle = left + (column + 0.5) * pitch
            pane = rng.randrange(len(panes))
            is_blind = not facade.is_along and rng.random() < 0.4
            if is_blind or middle + pitch < near or middle - pitch > far:
                continue
            a, b = middle - wide / 2, middle + wide / 2
            if shutters:
                rectangle(a - 0.42, b + 0.42, sill, head, shutters)
            rectangle(a - 0.09, b + 0.09, sill - 0.12, head + 0.09, frame)
            rectangle(a, b, sill, head, panes[pane])
            if middle <= detailed:
                rectangle(a, middle - 0.04, sill + 0.45 * tall, head, sheen[pane])
                rectangle(middle - 0.04, middle + 0.04, sill, head, frame)


def _draw_shops(facade: Facade, start, end, rng: Random) -> None:
    """The ground floor: doors, and shop windows under awnings."""
    glass = facade.lit((50, 58, 66))
    glow = facade.lit((150, 146, 126))
    frame = facade.lit((90, 74, 62))
    at = start + 0.6
    while at + 2.6 < end:
        if rng.random() < 0.35:
            door = facade.lit(rng.choice(_DOORS))
            facade.rectangle(at, at + 1.3, 0.0, 2.5, frame)
            facade.rectangle(at + 0.12, at + 1.18, 0.0, 2.35, door)
            facade.rectangle(at + 0.3, at + 1.0, 1.4, 2.2, glass)
            at += 2.0
            continue
        facade.rectangle(at, at + 2.3, 0.45, 2.5, frame)
        facade.rectangle(at + 0.1, at + 2.2, 0.55, 2.4, glass)
        facade.rectangle(at + 0.25, at + rng.uniform(0.8, 1.9), 0.65, 1.5, glow)
        if rng.random() < 0.5:
            awning = facade.lit(rng.choice(_AWNINGS))
            for stripe in range(4):
                colour = scale_colour(awning, 1.0 if stripe % 2 else 1.45)
                left, right = at + 0.575 * stripe, at + 0.575 * (stripe + 1)
                facade.rectangle(left, right, 2.3, 2.85, colour)
        at += 2.9


_LEAVES = ((46, 92, 34), (58, 106, 40), (36, 80, 42), (66, 112, 34), (40, 88, 30))
_BARKS = ((84, 66, 50), (104, 88, 70), (70, 58, 48))

# A normal that leans towards the camera and the sky.
_SUNNY = (0.0, 0.62, -0.78)


def draw_tree(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a tree with its shadow; its trunk counts as vegetation too."""
    x, z, level = pose.x, pose.z, pose.level
    # How much is drawn depends on the picture's size; what follows must not.
    rng = Random(rng.getrandbits(32))
    conifer = rng.random() < 0.2
    height = rng.uniform(5.0, 8.5)
    radius = rng.uniform(1.3, 2.3) * (0.75 if conifer else 1.0)
    stem = height - 1.7 * radius if not conifer else 1.0
    leaf, bark = rng.choice(_LEAVES), rng.choice(_BARKS)
    trunk = rng.uniform(0.14, 0.24)
    canvas.add_shadow([(x - trunk, level, z), (x + trunk, level, z), (x, stem, z)])
    canvas.add_shadow(
        [(x + radius * math.cos(angle), stem + radius, z + radius * math.sin(angle))
         for angle in (0.0, 0.8, 1.6, 2.4, 3.2, 4.0, 4.8, 5.6)]
    )  # fmt: skip
    foot = [(x + trunk * a * 2, 0.0, z + trunk * b * 2) for a, b in SQUARE]
    canvas.add_shadow(foot, 0.5)
    if not canvas.is_in_view(x, z, 1.5 * radius):
        return
    taper, top = 0.6 * trunk, stem + 0.5
    trunk_shape = ((-trunk, level), (-taper, top), (taper, top), (trunk, level))
    lit, origin = canvas.light.lit(bark, _SUNNY), (x, 0.0, z)
    canvas.billboard(trunk_shape, origin, lit, texture="bark", label="vegetation")
    if conifer:
        _draw_conifer(canvas, x, z, stem, height, radius, leaf, rng)
    else:
        _draw_crown(canvas, x, stem + 0.75 * radius, z, radius, leaf, rng)


def _draw_crown(canvas: Canvas, x, y, z, radius, leaf: Colour, rng) -> None:
    def lobe(shape, origin, size, tone, label=None) -> None:
        lit = canvas.light.lit(scale_colour(leaf, tone), _SUNNY)
        canvas.billboard(shape, origin, lit, (size, size), "leaves", label)

    lobe(_crown_outline(rng), (x, y, z), radius, 0.60, "vegetation")
    is_large = radius * canvas.camera.focal / z > 24
    sun_x = canvas.light.towards_sun[0]
    for tone, count, reach in ((0.80, 6, 0.58), (1.02, 6, 0.50), (1.22, 5, 0.44)):
        for _ in range(count if is_large else count // 2):
            angle = rng.uniform(0, math.tau)
            away = radius * rng.uniform(0.1, reach)
            centre_x = x + away * math.cos(angle) + 0.14 * radius * sun_x
            centre_y = y + away * math.sin(angle) + 0.16 * radius
            size = radius * rng.uniform(0.16, 0.34)
            lobe(_leafy_disc(rng, 16, 0.45), (centre_x, centre_y, z), size, tone)


def _crown_outline(rng: Random) -> list[Point2]:
    """The outline of a whole crown: a few large lobes with ragged edges."""
    waves = [
        (lobes, rng.uniform(0, math.tau), 0.28 * rng.uniform(0.3, 1.0) / lobes)
        for lobes in (3, 5, 8)
    ]
    outline = []
    for index, (x, y) in enumerate(_leafy_disc(rng, 72, 0.16)):
        angle = math.tau * index / 72
        grow = 1.0 + sum(a * math.sin(k * angle + phase) for k, phase, a in waves)
        outline.append((x * grow, y * grow))
    return outline


def _leafy_disc(rng: Random, points: int, roughness: float) -> list[Point2]:
    """A closed, ragged outline around the origin with radius about 1."""
    radii = [1.0 + roughness * (rng.random() - 0.5) for _ in range(points)]
    circle = zip(radii, unit_circle(points), strict=True)
    return [(radius * cos, radius * sin) for radius, (cos, sin) in circle]


def _draw_conifer(canvas: Canvas, x, z, stem, height, radius, leaf, rng) -> None:
    layers = 6
    side: list[Point2] = []
    for k in range(layers):
        low = stem + (height - stem) * k / layers
        wide = radius * (1 - k / layers) * rng.uniform(0.9, 1.1)
        side += [(wide, low), (0.55 * wide, low + 0.25)]
    left = [(x - away, up) for away, up in side]
    right = [(x + away, up) for away, up in reversed(side)]
    profile = [*left, (x, height), *right]
    shade = canvas.light.lit(scale_colour(leaf, 0.7), _SUNNY)
    origin = (0.0, 0.0, z)
    canvas.billboard(profile, origin, shade, texture="leaves", label="vegetation")
    offset = 0.2 * radius * (1 if canvas.light.towards_sun[0] > 0 else -1)
    inner = [(x + 0.6 * (a - x) + offset * (height - b) / height, b)
             for a, b in profile]  # fmt: skip
    bright = canvas.light.lit(leaf, _SUNNY)
    canvas.billboard(inner, origin, bright, texture="leaves")


def draw_bush(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Paints a bush about as high as a person's waist or chest."""
    x, z = pose.x, pose.z
    size = rng.uniform(0.6, 1.1)
    shape = [(1.3 * size * a, max(0.0, size * (0.75 + b)))
             for a, b in _leafy_disc(rng, 40, 0.25)]  # fmt: skip
    lit = canvas.light.lit(rng.choice(_LEAVES), _SUNNY)
    canvas.add_shadow([(x - size, 0, z), (x + size, 0, z), (x, 1.5 * size, z)])
    canvas.billboard(shape, (x, 0.0, z), lit, texture="leaves", label="vegetation")


def draw_hedge(canvas: Canvas, x: float, start: float, end: float, rng: Random) -> None:
    """Paints a clipped hedge along the street between two distances."""
    height, depth = rng.uniform(1.0, 2.0), math.copysign(0.8, x)
    leaf = rng.choice(_LEAVES)
    steps = max(2, int((end - start) / 0.7))
    top = [
        (x, height + rng.uniform(-0.07, 0.07), start + (end - start) * k / steps)
        for k in range(steps + 1)
    ]
    front, gable = Facade(canvas, x), Facade(canvas, start, is_along=False)
    side = [(x, 0.0, end), (x, 0.0, start), *top]
    lit = canvas.light.lit(leaf, (-math.copysign(1.0, x), 0.3, 0.0))
    outline = canvas.polygon(side, lit, along(x), "leaves")
    dark = canvas.light.lit(scale_colour(leaf, 0.8), (0, 0.2, -0.97))
    gable.rectangle(x, x + depth, 0.0, height, dark, "leaves", "vegetation")
    canvas.annotate("vegetation", outline)
    front.add_shadow(start, end, height)
