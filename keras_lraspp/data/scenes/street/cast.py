"""Who is in the street, and the order to paint them in."""

import random
from collections.abc import Callable
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.street.plan import Street
from keras_lraspp.data.scenes.things.pose import Pose

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
