"""Population of a street: traffic, parked vehicles, people, street furniture."""

import math
from collections.abc import Callable
from functools import partial
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes import people
from keras_lraspp.street_scenes import street_furniture as furniture
from keras_lraspp.street_scenes.body import Pose
from keras_lraspp.street_scenes.canvas import Canvas
from keras_lraspp.street_scenes.large_vehicles import BUSES, TRAMS, TRUCKS
from keras_lraspp.street_scenes.scenery import draw_tree
from keras_lraspp.street_scenes.street import KERB_HEIGHT, LANE, PARKING, Street
from keras_lraspp.street_scenes.vehicles import CARS, Vehicle, draw_vehicle

# Paints something at a pose; called as draw(canvas, pose, rng=rng).
Draw = Callable[[Canvas, Pose, Random], None]

_AWAY, _TOWARDS = 0.0, math.pi
# The picture's edge is about this far from the axis, per metre ahead.
_EDGE = 0.56
_NEAREST = 8.0


class _Actor(NamedTuple):
    """Someone or something in the street."""

    draw: Draw
    pose: Pose
    band: float  # distance of its lane from the camera's axis, in metres
    seed: int  # of its details


class Population:
    """Collects the actors of one scene."""

    def __init__(self, street: Street, rng: Random):
        """Starts with an empty street."""
        self.street, self.rng = street, rng
        self.along: list[_Actor] = []
        self.across: list[_Actor] = []

    def add(self, draw: Draw, pose: Pose, band: float | None = None) -> None:
        """Adds an actor; its band is its own distance from the axis by default."""
        band = abs(pose.x) if band is None else band
        self.along.append(_Actor(draw, pose, band, self.rng.getrandbits(32)))

    def add_across(self, draw: Draw, pose: Pose) -> None:
        """Adds a vehicle that drives through the junction, across the street."""
        self.across.append(_Actor(draw, pose, 0.0, self.rng.getrandbits(32)))

    def in_order(self) -> list[_Actor]:
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

    def outside_junction(self, z: float) -> float:
        """The first place from `z` on where there is a pavement."""
        junction = self.street.junction
        if junction and junction[0] - 1.0 < z < junction[1] + 1.0:
            return junction[1] + 1.0
        return z

    def add_vehicle(self, model: Vehicle, x: float, z: float, heading: float) -> float:
        """Adds a vehicle at `z` or the next free place; returns where it ends."""
        z = self.free_from(z, model.length + 1.0)
        pose = Pose(x, z + model.length / 2, heading)
        self.add(partial(draw_vehicle, model=model), pose)
        return z + model.length


def add_traffic(population: Population) -> None:
    """Fills the lanes, the track, the parking bays and the junction."""
    rng, street = population.rng, population.street
    large: list[Vehicle] = []
    for models in (BUSES, TRUCKS):
        if rng.random() < 0.62:
            large.append(rng.choice(models))
    rng.shuffle(large)
    if street.junction and rng.random() >= 0.3:
        _add_crossing_vehicle(population, large)
    has_tram = street.rails is not None and rng.random() < 0.85
    _add_oncoming_traffic(population, large, has_tram)
    _add_traffic_ahead(population, large)
    for side in (street.left, street.right):
        if side.parking:
            _add_parked_vehicles(population, side)


def _add_crossing_vehicle(population: Population, large: list[Vehicle]) -> None:
    rng, street = population.rng, population.street
    model = large.pop() if large and rng.random() < 0.5 else rng.choice(CARS)
    z = sum(street.junction) / 2 + rng.uniform(-0.5, 0.8)
    # Where the houses before the junction do not hide it.
    reach = min(street.left.edge, street.right.edge) - model.length / 2
    x = rng.uniform(-1.0, 1.0) * max(0.5, reach)
    pose = Pose(x, z, rng.choice((math.pi / 2, -math.pi / 2)))
    population.add_across(partial(draw_vehicle, model=model), pose)


def _add_oncoming_traffic(population: Population, large, has_tram: bool) -> None:
    rng, rails = population.rng, population.street.rails
    if has_tram:
        heading, z = rng.choice((_AWAY, _TOWARDS)), rng.uniform(9.0, 17.0)
        track_ends = population.add_vehicle(rng.choice(TRAMS), rails, z, heading)
        if rails == -LANE:
            _fill_lane(population, -LANE, track_ends + 6.0, _TOWARDS, (), 70.0)
            return
    here = [large.pop()] if large and rng.random() < 0.6 else []
    start = rng.uniform(16.0, 28.0) if has_tram else rng.uniform(8.0, 18.0)
    _fill_lane(population, -LANE, start, _TOWARDS, here, 60.0)


def _add_traffic_ahead(population: Population, large: list[Vehicle]) -> None:
    rng = population.rng
    z = rng.uniform(8.5, 16.0)
    if rng.random() < 0.5:
        motor = rng.random() < 0.65
        rider = people.draw_motorcyclist if motor else people.draw_cyclist
        ahead, turn = rng.uniform(6.0, 10.0), rng.uniform(-0.6, 0.6)
        population.add(rider, Pose(rng.uniform(-1.0, 1.2), ahead, turn), 0.0)
        z = max(z, ahead + 3.0)
    _fill_lane(population, 0.0, z, _AWAY, large, 45.0)


def _fill_lane(population: Population, x, z, heading, large, end) -> None:
    """A lane's traffic from `z` on: the given large vehicles, then anything."""
    rng = population.rng
    queue = list(large)
    while z < end:
        draw = rng.random()
        if queue and draw < 0.8:
            z = population.add_vehicle(queue.pop(0), x, z, heading)
        elif draw < 0.6:
            z = population.add_vehicle(rng.choice(CARS), x, z, heading)
        else:
            motor = rng.random() < 0.6
            rider = people.draw_motorcyclist if motor else people.draw_cyclist
            z = population.free_from(z, 3.0)
            turn = heading + rng.uniform(-0.35, 0.35)
            pose = Pose(x + rng.uniform(-0.8, 0.8), z + 1.0, turn)
            population.add(rider, pose, abs(x))
            z += 2.5
        z += rng.uniform(3.0, 11.0)


def _add_parked_vehicles(population: Population, side) -> None:
    """Cars, and now and then motorcycles and bicycles, along the kerb."""
    rng = population.rng
    x = side.sign * (side.kerb - PARKING / 2)
    z = max(6.0, abs(x) / 0.60) + rng.uniform(0.0, 4.0)
    heading = _AWAY if side.sign > 0 else _TOWARDS
    while z < 45.0:
        draw = rng.random()
        if draw < 0.5:
            z = population.add_vehicle(rng.choice(CARS), x, z, heading)
        elif draw < 0.85:
            motor = draw < 0.73
            two_wheeler = people.draw_motorcycle if motor else people.draw_bicycle
            z = population.free_from(z, 4.0)
            for _ in range(rng.randint(1, 3)):
                turn = heading + side.sign * rng.uniform(0.7, 1.5)
                population.add(two_wheeler, Pose(x, z + 0.5, turn))
                z += 1.1
        z += rng.uniform(0.9, 2.5)


def add_pavements(population: Population) -> None:
    """Fills both pavements and the crossing for walkers."""
    street = population.street
    for side in (street.left, street.right):
        _add_furniture(population, side)
        _add_walkers(population, side)
    if street.zebra is not None:
        _add_crossing_walkers(population, street.zebra)


def _add_furniture(population: Population, side) -> None:
    """Poles, signs, lights, trees, bicycles and bins behind the kerb."""
    rng, zebra = population.rng, population.street.zebra
    x = side.sign * (side.kerb + (0.55 if not side.verge else 0.5 * side.verge))
    z = max(_NEAREST, abs(x) / _EDGE) + rng.uniform(0.0, 3.0)
    traffic_light = furniture.draw_traffic_light
    if zebra is not None and zebra > z + 1.5:
        population.add(traffic_light, Pose(x, zebra, 0.0, KERB_HEIGHT))
    kinds: list[Draw] = []
    while z < 55.0:
        if not kinds:
            kinds = [
                furniture.draw_sign, traffic_light, furniture.draw_lamp,
                _draw_bicycle_stand, furniture.draw_sign,
                rng.choice((furniture.draw_direction_board, traffic_light)),
                furniture.draw_bin, draw_tree,
            ]  # fmt: skip
            rng.shuffle(kinds)
        z = population.outside_junction(z)
        population.add(kinds.pop(), Pose(x, z, 0.0, KERB_HEIGHT))
        z += rng.uniform(2.4, 5.0) * (1.0 + z / 60.0)


def _draw_bicycle_stand(canvas: Canvas, pose: Pose, rng: Random) -> None:
    """Two or three bicycles side by side."""
    turn = rng.uniform(0.9, 2.2)
    for k in reversed(range(rng.randint(2, 3))):
        heading = turn + rng.uniform(-0.1, 0.1)
        pose_k = pose._replace(z=pose.z + 0.65 * k, heading=heading)
        people.draw_bicycle(canvas, pose_k, rng)


def _add_walkers(population: Population, side) -> None:
    rng = population.rng
    near = max(_NEAREST, side.edge / 0.62)
    for _ in range(rng.randint(3, 7)):
        x = side.sign * rng.uniform(side.kerb + side.verge + 0.6, side.edge - 0.5)
        z = population.outside_junction(near + rng.random() ** 2 * 30.0)
        turn = rng.choice((0.0, math.pi, math.pi / 2, -math.pi / 2))
        heading = turn + rng.uniform(-0.5, 0.5)
        population.add(people.draw_person, Pose(x, z, heading, KERB_HEIGHT))


def _add_crossing_walkers(population: Population, zebra: float) -> None:
    rng = population.rng
    for _ in range(rng.randint(1, 4)):
        x = rng.uniform(-1.4 * LANE, LANE / 2)
        z = zebra + rng.uniform(0.5, 2.8)
        heading = rng.choice((1.0, -1.0)) * math.pi / 2 + rng.uniform(-0.3, 0.3)
        walks = rng.random() < 0.75
        draw = people.draw_person if walks else people.draw_cyclist
        band = 0.0 if abs(x) < LANE / 2 else LANE
        population.add(draw, Pose(x, z, heading), band)
