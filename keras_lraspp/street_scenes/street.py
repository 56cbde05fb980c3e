"""Street layout (lanes, junction, pavements, building lots) and its ground."""

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes.camera import Colour, scale_colour
from keras_lraspp.street_scenes.canvas import Canvas, Facade, facing, ground

# How far the street reaches, in metres.
FAR = 110.0
# Where the ground starts to be painted.
_START = 1.3

LANE = 3.4
PARKING = 2.1
KERB_HEIGHT = 0.13


class BuildingLot(NamedTuple):
    """A piece of land beside the pavement, `start` to `end` metres ahead."""

    kind: str  # "house", "fence", "wall" or "park"
    start: float
    end: float
    seed: int  # of everything drawn on it


class _Side(NamedTuple):
    """One side of the street; distances are from the camera's axis, in metres."""

    sign: int  # -1 on the left, 1 on the right
    kerb: float  # where the road ends
    verge: float  # width of the grass strip behind the kerb, or 0
    edge: float  # where the pavement ends and the lots start
    lots: tuple[BuildingLot, ...]  # from near to far
    parking: bool  # whether cars may park along the kerb


class Street(NamedTuple):
    """A whole street; distances in metres."""

    left: _Side
    right: _Side
    junction: tuple[float, float] | None  # start and end of a street that crosses it
    zebra: float | None  # where a crossing for walkers starts
    rails: float | None  # middle of the tram track (x)
    track_is_own: bool  # whether the tram has a grassy track of its own

    @property
    def kept_clear(self) -> tuple[tuple[float, float], ...]:
        """Where no vehicle stands: the crossing for walkers and the junction."""
        clear = []
        if self.zebra is not None:
            clear = [(self.zebra - 1.5, self.zebra + 3.5)]
        if self.junction:
            clear += [(self.junction[0] - 1.0, self.junction[1] + 1.0)]
        return tuple(clear)


def plan_street(rng: Random) -> Street:
    """Draws the layout of a street at random."""
    junction = None
    if rng.random() < 0.4:
        start = rng.uniform(20.0, 48.0)
        junction = (start, start + rng.uniform(6.0, 9.0))
    zebra = None
    if rng.random() < 0.5:
        zebra = junction[0] - 4.5 if junction else rng.uniform(8.0, 24.0)
    rails, own_track = None, False
    left_kerb, left_parking = 1.5 * LANE, False
    draw = rng.random()
    if draw < 0.35:
        rails, own_track = -2.0 * LANE, rng.random() < 0.6
        left_kerb = 2.5 * LANE
    elif draw < 0.70:
        rails = -LANE
    elif draw < 0.90:
        left_parking = True
        left_kerb += PARKING
    right_parking = rng.random() < 0.5
    right_kerb = 0.5 * LANE + 0.1 + (PARKING if right_parking else 0.3)
    near = ["fence", "wall", "house", rng.choice(("house", "park", "fence", "wall"))]
    rng.shuffle(near)
    left = _plan_side(rng, -1, left_kerb, left_parking, near[:2], junction)
    right = _plan_side(rng, 1, right_kerb, right_parking, near[2:], junction)
    return Street(left, right, junction, zebra, rails, own_track)


def _plan_side(rng, sign, kerb, parking, near_kinds, junction) -> _Side:
    verge = rng.uniform(1.3, 2.4) if rng.random() < 0.6 else 0.0
    edge = kerb + verge + rng.uniform(2.5, 4.5)
    far_kinds = (("house", "park", "fence", "wall"), (0.6, 0.16, 0.14, 0.1))
    kinds, lots = list(near_kinds), []
    z, length = 2.0, rng.uniform(13.0, 20.0)
    while z < FAR:
        kind = kinds.pop(0) if kinds else rng.choices(*far_kinds)[0]
        end = min(z + length, FAR)
        if junction and z < junction[1] and end > junction[0]:
            end = junction[0]
        if end - z > 3.0:
            lots.append(BuildingLot(kind, z, end, rng.getrandbits(32)))
        z = end
        if junction and abs(z - junction[0]) < 0.1:
            z = junction[1]
        length = rng.uniform(9.0, 17.0)
    return _Side(sign, kerb, verge, edge, tuple(lots), parking)


_ASPHALTS = ((92, 94, 99), (104, 105, 108), (82, 84, 90))
_PAVINGS = ((188, 172, 158), (196, 176, 164), (182, 170, 152))
_GRASSES = ((146, 158, 70), (156, 160, 80), (134, 152, 64))
_MARKING_PAINT = (222, 222, 214)
_RAIL_BED, _GROOVE, _RAIL = (128, 126, 122), (66, 66, 70), (190, 190, 190)
_WIRE = (58, 60, 64)


class _Floor(NamedTuple):
    """One level of the ground, metres above the road."""

    canvas: Canvas
    level: float = 0.0

    def area(self, left, right, near, far, colour, texture="plain", label=None):
        """Paints a rectangle (metres right and ahead)."""
        level = self.level
        corners = ((left, level, near), (right, level, near),
                   (right, level, far), (left, level, far))  # fmt: skip
        lit = self.canvas.light.lit(colour)
        plane = ground(self.canvas.camera.eye, level)
        self.canvas.polygon(corners, lit, plane, texture, label)


def draw_ground(canvas: Canvas, street: Street, rng: Random) -> None:
    """Paints everything flat, from the land around to the markings."""
    floor = _Floor(canvas)
    grass, asphalt = rng.choice(_GRASSES), rng.choice(_ASPHALTS)
    floor.area(-400, 400, _START, 600, grass, "grass", "terrain")
    if street.junction:
        floor.area(-300, 300, *street.junction, asphalt, "asphalt", "road")
    left, right = -street.left.kerb, street.right.kerb
    floor.area(left, right, _START, FAR, asphalt, "asphalt", "road")
    _draw_repairs(floor, street, asphalt, rng)
    if street.rails is not None:
        _draw_rails(floor, street, street.rails, grass)
    _draw_markings(floor, street, rng)
    texture = rng.choice(("slabs", "slabs", "cobbles"))
    paving = rng.choice(_PAVINGS)
    for side in (street.left, street.right):
        for near, far in _stretches(street):
            _draw_pavement(canvas, side, near, far, paving, grass, texture)


def _stretches(street: Street) -> Sequence[tuple[float, float]]:
    """The parts of the street outside the junction."""
    if not street.junction:
        return ((_START, FAR),)
    return (street.junction[1], FAR), (_START, street.junction[0])


def _draw_repairs(floor: _Floor, street: Street, asphalt, rng) -> None:
    """Patches of newer asphalt and a few manhole covers."""
    left, right = -street.left.kerb, street.right.kerb
    for _ in range(rng.randint(1, 4)):
        x, z = rng.uniform(left, right - 1.5), rng.uniform(4, 30)
        colour = scale_colour(asphalt, rng.uniform(0.80, 0.92))
        wide, deep = rng.uniform(0.8, 1.6), rng.uniform(1.5, 6.0)
        floor.area(x, min(x + wide, right), z, z + deep, colour, "asphalt")
    for _ in range(rng.randint(0, 2)):
        x, z = rng.uniform(-1.2, 0.6), rng.uniform(5, 16)
        floor.area(x, x + 0.65, z, z + 0.65, scale_colour(asphalt, 0.7), "cobbles")


def _draw_rails(floor: _Floor, street: Street, x: float, grass: Colour) -> None:
    if street.track_is_own:
        for near, far in _stretches(street):
            floor.area(x - 1.6, x + 1.6, near, far, grass, "grass", "terrain")
    for at in (x - 0.72, x + 0.72):
        floor.area(at - 0.15, at + 0.15, _START, FAR, _RAIL_BED, "asphalt", "road")
        floor.area(at - 0.05, at + 0.05, _START, FAR, _GROOVE)
        floor.area(at + 0.05, at + 0.08, _START, FAR, _RAIL)


def _draw_markings(floor: _Floor, street: Street, rng: Random) -> None:
    paint = scale_colour(_MARKING_PAINT, rng.uniform(0.85, 1.0))

    def line(x, near, far, width=0.14):
        floor.area(x - width / 2, x + width / 2, near, far, paint, "plaster")

    junction = street.junction
    z = _START + rng.uniform(0.0, 3.0)
    while z < 70:
        if not junction or not junction[0] - 3 < z < junction[1]:
            line(-LANE / 2, z, z + 3.0)
        z += 6.0
    if street.rails == -2 * LANE:
        for near, far in _stretches(street):
            line(-1.5 * LANE, near, far)
    for side in (street.left, street.right):
        # Bays where cars park, else a line along the kerb.
        inset, width = (PARKING, 0.10) if side.parking else (0.25, 0.12)
        for near, far in _stretches(street):
            line(side.sign * (side.kerb - inset), near, far, width)
    if street.zebra is not None:
        x = -street.left.kerb + 0.5
        while x < street.right.kerb - 0.5:
            floor.area(x, x + 0.5, street.zebra, street.zebra + 3.2, paint, "plaster")
            x += 1.0
        stop = street.zebra - 1.2
        floor.area(-LANE / 2, LANE / 2, stop, stop + 0.4, paint, "plaster")
    elif junction:
        near, far = junction[0] - 1.2, junction[0] - 0.8
        floor.area(-LANE / 2, LANE / 2, near, far, paint, "plaster")


def _draw_pavement(canvas: Canvas, side, near, far, paving, grass, texture) -> None:
    floor = _Floor(canvas, KERB_HEIGHT)
    inner = side.kerb + 0.25
    middle = side.kerb + max(side.verge, 0.25)
    stone = tuple(min(240.0, 1.12 * part) for part in paving)

    def strip(start, end, colour, pattern, label):
        left, right = sorted((side.sign * start, side.sign * end))
        floor.area(left, right, near, far, colour, pattern, label)

    if side.verge:
        strip(inner, middle, grass, "grass", "terrain")
    strip(middle, side.edge + 0.3, paving, texture, "sidewalk")
    strip(side.kerb, inner, stone, "plaster", "sidewalk")
    x, edge = side.sign * side.kerb, side.sign * side.edge
    kerb = Facade(canvas, x)
    shade = kerb.lit(scale_colour(stone, 0.8))
    kerb.rectangle(near, far, 0, KERB_HEIGHT, shade, label="sidewalk")
    if near > _START:
        end = Facade(canvas, near, is_along=False)
        end.rectangle(x, edge, 0, KERB_HEIGHT, end.lit(stone), label="sidewalk")


def draw_wires(canvas: Canvas, street: Street) -> None:
    """Paints the tram's overhead wires; they are too thin for a label."""
    if street.rails is None:
        return

    def wire(points, z: float, width: float) -> None:
        surface = canvas.add_surface(_WIRE, facing(z))
        width = width * canvas.camera.focal / z
        canvas.stroke(canvas.camera.project(points), width, surface)

    left, right = -street.left.edge, street.right.edge
    for z in range(90, 8, -16):
        wire(((left, 7.0, z), (street.rails, 6.3, z), (right, 7.0, z)), z, 0.03)
    for x in (street.rails, street.rails + 0.25):
        for start, end in ((40.0, FAR), (16.0, 40.0), (7.0, 16.0), (2.5, 7.0)):
            wire(((x, 6.1, start), (x, 6.1, end)), start, 0.025)
