"""Houses along the street: facades in perspective, gable ends, roofs."""

import math
import random
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.facade import Facade


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
