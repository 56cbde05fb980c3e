"""The pavements: furniture behind the kerb, people who walk and cross."""

import math
import random

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.street.cast import Cast, Draw
from keras_lraspp.data.scenes.street.ground import KERB_HEIGHT
from keras_lraspp.data.scenes.street.plan import LANE, Side
from keras_lraspp.data.scenes.things.bins import draw_bin
from keras_lraspp.data.scenes.things.figures import draw_person
from keras_lraspp.data.scenes.things.plants import draw_tree
from keras_lraspp.data.scenes.things.pose import Pose
from keras_lraspp.data.scenes.things.posts import draw_lamp
from keras_lraspp.data.scenes.things.riders import draw_cyclist
from keras_lraspp.data.scenes.things.signs import draw_direction_board, draw_sign
from keras_lraspp.data.scenes.things.traffic_lights import draw_traffic_light
from keras_lraspp.data.scenes.things.two_wheelers import draw_bicycle

# The picture's edge is about this far from the axis, per metre ahead.
_EDGE = 0.56
_NEAREST = 8.0


def add_pavements(cast: Cast) -> None:
    """Fills both pavements and the crossing for walkers."""
    for side in (cast.street.left, cast.street.right):
        _add_furniture(cast, side)
        _add_people(cast, side)
    if cast.street.zebra is not None:
        _add_crossing(cast)


def _add_furniture(cast: Cast, side: Side) -> None:
    """Poles, signs, lights, trees, bicycles and bins behind the kerb."""
    rng, zebra = cast.rng, cast.street.zebra
    x = side.sign * (side.kerb + (0.55 if not side.verge else 0.5 * side.verge))
    z = max(_NEAREST, abs(x) / _EDGE) + rng.uniform(0.0, 3.0)
    if zebra is not None and zebra > z + 1.5:
        cast.add(draw_traffic_light, Pose(x, zebra, 0.0, KERB_HEIGHT))
    kinds: list[Draw] = []
    while z < 55.0:
        if not kinds:
            kinds = [
                draw_sign, draw_traffic_light, draw_lamp, _draw_stand, draw_sign,
                rng.choice((draw_direction_board, draw_traffic_light)), draw_bin,
                _draw_street_tree,
            ]  # fmt: skip
            rng.shuffle(kinds)
        z = _outside_junction(cast, z)
        cast.add(kinds.pop(), Pose(x, z, 0.0, KERB_HEIGHT))
        z += rng.uniform(2.4, 5.0) * (1.0 + z / 60.0)


def _outside_junction(cast: Cast, z: float) -> float:
    junction = cast.street.junction
    if junction and junction[0] - 1.0 < z < junction[1] + 1.0:
        return junction[1] + 1.0
    return z


def _draw_street_tree(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    draw_tree(canvas, pose.x, pose.z, rng, pose.level)


def _draw_stand(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Two or three bicycles side by side."""
    turn = rng.uniform(0.9, 2.2)
    for k in reversed(range(rng.randint(2, 3))):
        heading = turn + rng.uniform(-0.1, 0.1)
        draw_bicycle(canvas, pose._replace(z=pose.z + 0.65 * k, heading=heading), rng)


def _add_people(cast: Cast, side: Side) -> None:
    rng = cast.rng
    near = max(_NEAREST, side.edge / 0.62)
    for _ in range(rng.randint(3, 7)):
        x = side.sign * rng.uniform(side.kerb + side.verge + 0.6, side.edge - 0.5)
        z = _outside_junction(cast, near + rng.random() ** 2 * 30.0)
        turn = rng.choice((0.0, math.pi, math.pi / 2, -math.pi / 2))
        heading = turn + rng.uniform(-0.5, 0.5)
        cast.add(draw_person, Pose(x, z, heading, KERB_HEIGHT))


def _add_crossing(cast: Cast) -> None:
    rng, street = cast.rng, cast.street
    for _ in range(rng.randint(1, 4)):
        x = rng.uniform(-1.4 * LANE, LANE / 2)
        z = street.zebra + rng.uniform(0.5, 2.8)
        heading = rng.choice((1.0, -1.0)) * math.pi / 2 + rng.uniform(-0.3, 0.3)
        draw = draw_person if rng.random() < 0.75 else draw_cyclist
        cast.add(draw, Pose(x, z, heading), 0.0 if abs(x) < LANE / 2 else LANE)
