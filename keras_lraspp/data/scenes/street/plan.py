"""The plan of a street: its lanes, its two sides and the plots along them."""

import random
from typing import NamedTuple

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
