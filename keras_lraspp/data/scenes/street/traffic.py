"""The traffic: who drives and parks where."""

import math
from collections.abc import Sequence
from functools import partial

from keras_lraspp.data.scenes.street.cast import Cast
from keras_lraspp.data.scenes.street.plan import LANE, PARKING, Side
from keras_lraspp.data.scenes.things.buses import BUSES
from keras_lraspp.data.scenes.things.cars import CARS
from keras_lraspp.data.scenes.things.pose import Pose
from keras_lraspp.data.scenes.things.riders import draw_cyclist, draw_motorcyclist
from keras_lraspp.data.scenes.things.trams import TRAMS
from keras_lraspp.data.scenes.things.trucks import TRUCKS
from keras_lraspp.data.scenes.things.two_wheelers import (
    draw_bicycle,
    draw_motorcycle,
)
from keras_lraspp.data.scenes.things.vehicle_parts import Vehicle
from keras_lraspp.data.scenes.things.vehicles import draw_vehicle

AWAY, TOWARDS = 0.0, math.pi


def add_traffic(cast: Cast) -> None:
    """Fills the lanes, the track, the parking bays and the junction."""
    rng, street = cast.rng, cast.street
    large: list[Vehicle] = []
    for models in (BUSES, TRUCKS):
        if rng.random() < 0.62:
            large.append(rng.choice(models))
    rng.shuffle(large)
    _add_junction_traffic(cast, large)
    has_tram = street.rails is not None and rng.random() < 0.85
    _add_left(cast, large, has_tram)
    _add_own_lane(cast, large)
    for side in (street.left, street.right):
        if side.parking:
            _park(cast, side)


def _add_vehicle(cast: Cast, model: Vehicle, x: float, z: float, heading) -> float:
    """Puts a vehicle at `z` or the next free place; returns where it ends."""
    z = cast.free_from(z, model.length + 1.0)
    pose = Pose(x, z + model.length / 2, heading)
    cast.add(partial(draw_vehicle, model=model), pose, abs(x))
    return z + model.length


def _add_lane(cast: Cast, x, z, heading, large: Sequence[Vehicle], end) -> None:
    """A lane's traffic from `z` on: the given large vehicles, then anything."""
    rng = cast.rng
    queue = list(large)
    while z < end:
        draw = rng.random()
        if queue and draw < 0.8:
            z = _add_vehicle(cast, queue.pop(0), x, z, heading)
        elif draw < 0.6:
            z = _add_vehicle(cast, rng.choice(CARS), x, z, heading)
        else:
            rider = draw_motorcyclist if rng.random() < 0.6 else draw_cyclist
            z = cast.free_from(z, 3.0)
            turn = heading + rng.uniform(-0.35, 0.35)
            cast.add(rider, Pose(x + rng.uniform(-0.8, 0.8), z + 1.0, turn), abs(x))
            z += 2.5
        z += rng.uniform(3.0, 11.0)


def _add_junction_traffic(cast: Cast, large: list[Vehicle]) -> None:
    rng, street = cast.rng, cast.street
    if not street.junction or rng.random() < 0.3:
        return
    model = large.pop() if large and rng.random() < 0.5 else rng.choice(CARS)
    z = sum(street.junction) / 2 + rng.uniform(-0.5, 0.8)
    # Where the houses before the junction do not hide it.
    reach = min(street.left.edge, street.right.edge) - model.length / 2
    x = rng.uniform(-1.0, 1.0) * max(0.5, reach)
    pose = Pose(x, z, rng.choice((math.pi / 2, -math.pi / 2)))
    cast.add_across(partial(draw_vehicle, model=model), pose)


def _add_left(cast: Cast, large: list[Vehicle], has_tram: bool) -> None:
    rng, rails = cast.rng, cast.street.rails
    track_ends = 0.0
    if has_tram:
        heading, z = rng.choice((AWAY, TOWARDS)), rng.uniform(9.0, 17.0)
        track_ends = _add_vehicle(cast, rng.choice(TRAMS), rails, z, heading)
    if has_tram and rails == -LANE:
        _add_lane(cast, -LANE, track_ends + 6.0, TOWARDS, (), 70.0)
        return
    here = [large.pop()] if large and rng.random() < 0.6 else []
    start = rng.uniform(16.0, 28.0) if has_tram else rng.uniform(8.0, 18.0)
    _add_lane(cast, -LANE, start, TOWARDS, here, 60.0)


def _add_own_lane(cast: Cast, large: list[Vehicle]) -> None:
    rng = cast.rng
    z = rng.uniform(8.5, 16.0)
    if rng.random() < 0.5:
        rider = draw_motorcyclist if rng.random() < 0.65 else draw_cyclist
        ahead = rng.uniform(6.0, 10.0)
        turn = rng.uniform(-0.6, 0.6)
        cast.add(rider, Pose(rng.uniform(-1.0, 1.2), ahead, turn), 0.0)
        z = max(z, ahead + 3.0)
    _add_lane(cast, 0.0, z, AWAY, large, 45.0)


def _park(cast: Cast, side: Side) -> None:
    """Cars, and now and then motorcycles and bicycles, along the kerb."""
    rng = cast.rng
    x = side.sign * (side.kerb - PARKING / 2)
    z = max(6.0, abs(x) / 0.60) + rng.uniform(0.0, 4.0)
    heading = AWAY if side.sign > 0 else TOWARDS
    while z < 45.0:
        draw = rng.random()
        if draw < 0.5:
            z = _add_vehicle(cast, rng.choice(CARS), x, z, heading)
        elif draw < 0.85:
            two_wheeler = draw_motorcycle if draw < 0.73 else draw_bicycle
            z = cast.free_from(z, 4.0)
            for _ in range(rng.randint(1, 3)):
                turn = heading + side.sign * rng.uniform(0.7, 1.5)
                cast.add(two_wheeler, Pose(x, z + 0.5, turn), abs(x))
                z += 1.1
        z += rng.uniform(0.9, 2.5)
