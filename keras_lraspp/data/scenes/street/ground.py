"""The ground: road, markings, rails, kerbs, pavements, grass."""

import random
from collections.abc import Iterator

from keras_lraspp.data.scenes.picture.canvas import Canvas, Plane, along, facing, ground
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.street.plan import FAR, LANE, PARKING, Side, Street

KERB_HEIGHT = 0.13
_START = 1.3

ASPHALTS: tuple[Colour, ...] = ((92, 94, 99), (104, 105, 108), (82, 84, 90))
PAVINGS: tuple[Colour, ...] = ((188, 172, 158), (196, 176, 164), (182, 170, 152))
GRASSES: tuple[Colour, ...] = ((146, 158, 70), (156, 160, 80), (134, 152, 64))
_PAINT: Colour = (222, 222, 214)


class _Floor:
    """Paints rectangles on one level of the ground."""

    def __init__(self, canvas: Canvas, level: float = 0.0):
        self.canvas, self.level = canvas, level
        self.plane: Plane = ground(canvas.camera.eye, level)

    def area(self, left, right, near, far, colour: Colour, texture="plain"):
        """Paints a rectangle (metres right and ahead); returns its outline."""
        level = self.level
        corners = ((left, level, near), (right, level, near),
                   (right, level, far), (left, level, far))  # fmt: skip
        lit = self.canvas.light.lit(colour)
        return self.canvas.face(corners, lit, self.plane, texture)


def draw_ground(canvas: Canvas, street: Street, rng: random.Random) -> None:
    """Paints everything flat, from the land around to the markings."""
    floor = _Floor(canvas)
    grass, asphalt = rng.choice(GRASSES), rng.choice(ASPHALTS)
    canvas.claim("terrain", floor.area(-400, 400, _START, 600, grass, "grass"))
    if street.junction:
        start, end = street.junction
        canvas.claim("road", floor.area(-300, 300, start, end, asphalt, "asphalt"))
    left, right = street.left.kerb, street.right.kerb
    canvas.claim("road", floor.area(-left, right, _START, FAR, asphalt, "asphalt"))
    _draw_repairs(floor, street, asphalt, rng)
    _draw_rails(floor, street, grass)
    _draw_markings(floor, street, rng)
    texture = rng.choice(("slabs", "slabs", "cobbles"))
    paving = rng.choice(PAVINGS)
    for side in (street.left, street.right):
        for near, far in _stretches(street):
            _draw_pavement(canvas, side, near, far, paving, grass, texture)


def _stretches(street: Street) -> Iterator[tuple[float, float]]:
    """The parts of the street outside the junction."""
    if not street.junction:
        yield _START, FAR
        return
    yield street.junction[1], FAR
    yield _START, street.junction[0]


def _draw_pavement(canvas, side: Side, near, far, paving, grass, texture) -> None:
    floor = _Floor(canvas, KERB_HEIGHT)
    inner = side.kerb + 0.25
    middle = side.kerb + max(side.verge, 0.25)
    stone = tuple(min(240.0, 1.12 * part) for part in paving)

    def strip(start, end, colour, pattern):
        left, right = sorted((side.sign * start, side.sign * end))
        return floor.area(left, right, near, far, colour, pattern)

    if side.verge:
        canvas.claim("terrain", strip(inner, middle, grass, "grass"))
    canvas.claim("sidewalk", strip(middle, side.edge + 0.3, paving, texture))
    canvas.claim("sidewalk", strip(side.kerb, inner, stone, "plaster"))
    x = side.sign * side.kerb
    face = ((x, 0, near), (x, 0, far), (x, KERB_HEIGHT, far), (x, KERB_HEIGHT, near))
    shade = canvas.light.lit(tuple(0.8 * c for c in stone), (-side.sign, 0, 0))
    canvas.claim("sidewalk", canvas.face(face, shade, along(x)))
    edge = side.sign * side.edge
    end = ((x, 0, near), (edge, 0, near), (edge, KERB_HEIGHT, near),
           (x, KERB_HEIGHT, near))  # fmt: skip
    if near > _START:
        shade = canvas.light.lit(stone, (0, 0, -1))
        canvas.claim("sidewalk", canvas.face(end, shade, facing(near)))


def _draw_repairs(floor: _Floor, street: Street, asphalt, rng) -> None:
    """Patches of newer asphalt and a few manhole covers."""
    for _ in range(rng.randint(1, 4)):
        x, z = (
            rng.uniform(-street.left.kerb, street.right.kerb - 1.5),
            rng.uniform(4, 30),
        )
        tone = rng.uniform(0.80, 0.92)
        colour = tuple(tone * part for part in asphalt)
        wide, deep = rng.uniform(0.8, 1.6), rng.uniform(1.5, 6.0)
        right = min(x + wide, street.right.kerb)
        floor.area(x, right, z, z + deep, colour, "asphalt")
    for _ in range(rng.randint(0, 2)):
        x, z = rng.uniform(-1.2, 0.6), rng.uniform(5, 16)
        floor.area(x, x + 0.65, z, z + 0.65, tuple(0.7 * c for c in asphalt), "cobbles")


def _draw_rails(floor: _Floor, street: Street, grass: Colour) -> None:
    if street.rails is None:
        return
    x = street.rails
    if street.track_is_own:
        for near, far in _stretches(street):
            outline = floor.area(x - 1.6, x + 1.6, near, far, grass, "grass")
            floor.canvas.claim("terrain", outline)
    for offset in (-0.72, 0.72):
        at = x + offset
        bed = floor.area(at - 0.15, at + 0.15, _START, FAR, (128, 126, 122), "asphalt")
        floor.canvas.claim("road", bed)
        floor.area(at - 0.05, at + 0.05, _START, FAR, (66, 66, 70))
        floor.area(at + 0.05, at + 0.08, _START, FAR, (190, 190, 190))


def _draw_markings(floor: _Floor, street: Street, rng: random.Random) -> None:
    worn = rng.uniform(0.85, 1.0)
    paint = tuple(worn * part for part in _PAINT)

    def line(x, near, far, width=0.14):
        floor.area(x - width / 2, x + width / 2, near, far, paint, "plaster")

    near, far = (street.junction or (FAR, FAR))[0], FAR
    z = _START + rng.uniform(0.0, 3.0)
    while z < 70:
        if not _in_junction(street, z):
            line(-LANE / 2, z, z + 3.0)
        z += 6.0
    if street.rails == -2 * LANE:
        for start, end in _stretches(street):
            line(-1.5 * LANE, start, end)
    for side in (street.left, street.right):
        _draw_kerb_lane(street, side, line)
    if street.zebra is not None:
        x = -street.left.kerb + 0.5
        while x < street.right.kerb - 0.5:
            floor.area(x, x + 0.5, street.zebra, street.zebra + 3.2, paint, "plaster")
            x += 1.0
        stop = street.zebra - 1.2
        floor.area(-LANE / 2, LANE / 2, stop, stop + 0.4, paint, "plaster")
    elif near < far:
        floor.area(-LANE / 2, LANE / 2, near - 1.2, near - 0.8, paint, "plaster")


def _draw_kerb_lane(street: Street, side: Side, line) -> None:
    """Bays where cars park, else a line along the kerb."""
    for near, far in _stretches(street):
        if side.parking:
            line(side.sign * (side.kerb - PARKING), near, far, 0.10)
        else:
            line(side.sign * (side.kerb - 0.25), near, far, 0.12)


def _in_junction(street: Street, z: float) -> bool:
    return bool(street.junction) and street.junction[0] - 3 < z < street.junction[1]
