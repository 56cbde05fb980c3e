"""The plan of a street: its lanes, its two sides and the plots along them."""

import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

from keras_lraspp.street_scenes.body import Pose
from keras_lraspp.street_scenes.camera import Colour
from keras_lraspp.street_scenes.canvas import Canvas, Plane, along, facing, ground

# How far the street reaches, in metres.
FAR = 110.0

LANE = 3.4
PARKING = 2.1


class Plot(NamedTuple):
    """A piece of land beside the pavement.

    Attributes:
        kind: "house", "fence", "wall" or "park".
        start: Where it starts, in metres ahead of the camera.
        end: Where it ends.
        seed: Seed of everything drawn on it.
    """

    kind: str
    start: float
    end: float
    seed: int


class Side(NamedTuple):
    """One side of the street; distances are from the camera's axis, in metres.

    Attributes:
        sign: -1 on the left, 1 on the right.
        kerb: Where the road ends.
        verge: Width of the grass strip behind the kerb, or 0.
        edge: Where the pavement ends and the plots start.
        plots: The plots, from near to far.
        parking: Whether cars may park along the kerb.
    """

    sign: int
    kerb: float
    verge: float
    edge: float
    plots: tuple[Plot, ...]
    parking: bool


class Street(NamedTuple):
    """A whole street.

    Attributes:
        left: Its left side.
        right: Its right side.
        junction: Start and end of a street that crosses it, or None.
        zebra: Where a crossing for walkers starts, or None.
        rails: Middle of the tram track (x, in metres), or None.
        track_is_own: Whether the tram has a grassy track of its own.
    """

    left: Side
    right: Side
    junction: tuple[float, float] | None
    zebra: float | None
    rails: float | None
    track_is_own: bool

    @property
    def kept_clear(self) -> tuple[tuple[float, float], ...]:
        """Where no vehicle stands: the crossing for walkers and the junction."""
        areas = []
        if self.zebra is not None:
            areas.append((self.zebra - 1.5, self.zebra + 3.5))
        if self.junction:
            areas.append((self.junction[0] - 1.0, self.junction[1] + 1.0))
        return tuple(areas)


def plan_street(rng: random.Random) -> Street:
    """Draws the plan of a street."""
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


def _plan_side(rng, sign, kerb, parking, near, junction) -> Side:
    verge = rng.uniform(1.3, 2.4) if rng.random() < 0.6 else 0.0
    edge = kerb + verge + rng.uniform(2.5, 4.5)
    kinds = list(near)
    plots = []
    z = 2.0
    length = rng.uniform(13.0, 20.0)
    while z < FAR:
        kind = kinds.pop(0) if kinds else _far_kind(rng)
        end = min(z + length, FAR)
        if junction and z < junction[1] and end > junction[0]:
            end = junction[0]
        if end - z > 3.0:
            plots.append(Plot(kind, z, end, rng.getrandbits(32)))
        z = end
        if junction and abs(z - junction[0]) < 0.1:
            z = junction[1]
        length = rng.uniform(9.0, 17.0)
    return Side(sign, kerb, verge, edge, tuple(plots), parking)


def _far_kind(rng: random.Random) -> str:
    return rng.choices(("house", "park", "fence", "wall"), (0.6, 0.16, 0.14, 0.1))[0]


Draw = Callable[[Canvas, Pose, random.Random], None]


class Actor(NamedTuple):
    """Someone or something in the street.

    Attributes:
        draw: Paints it at its pose.
        pose: Where it stands.
        band: Distance of its lane from the camera's axis, in metres.
        seed: Seed of its details.
    """

    draw: Draw
    pose: Pose
    band: float
    seed: int


class Cast:
    """Collects the actors of one scene."""

    def __init__(self, street: Street, rng: random.Random):
        """Starts with an empty street."""
        self.street, self.rng = street, rng
        self.along: list[Actor] = []
        self.across: list[Actor] = []

    def add(self, draw: Draw, pose: Pose, band: float | None = None) -> None:
        """Adds an actor; its band is its own distance from the axis by default."""
        band = abs(pose.x) if band is None else band
        self.along.append(Actor(draw, pose, band, self.rng.getrandbits(32)))

    def add_across(self, draw: Draw, pose: Pose) -> None:
        """Adds a vehicle that drives through the junction, across the street."""
        self.across.append(Actor(draw, pose, 0.0, self.rng.getrandbits(32)))

    def in_order(self) -> list[Actor]:
        """The actors in the order to paint them.

        A line of sight that starts on the axis only ever moves away from it, so
        whoever is in an outer lane is behind whoever covers it in an inner lane; in
        one lane the farther is behind. Who drives across the lanes is in front of all
        beyond the junction and behind all before it.
        """
        middle = self.street.junction[0] if self.street.junction else 0.0
        ordered = sorted(self.along, key=lambda actor: (-actor.band, -actor.pose.z))
        beyond = [actor for actor in ordered if actor.pose.z > middle]
        before = [actor for actor in ordered if actor.pose.z <= middle]
        return beyond + self.across + before

    def free_from(self, z: float, length: float) -> float:
        """The first place from `z` on where `length` metres of lane are free."""
        for start, end in self.street.kept_clear:
            if z + length > start and z < end:
                z = end
        return z


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
