"""What stands on the plots beside the pavement, and what closes the view."""

import math
import random
from collections.abc import Sequence
from functools import partial

from keras_lraspp.street_scenes.body import Pose
from keras_lraspp.street_scenes.camera import Colour
from keras_lraspp.street_scenes.canvas import Canvas, facing
from keras_lraspp.street_scenes.large_vehicles import BUSES, TRAMS, TRUCKS
from keras_lraspp.street_scenes.people import (
    draw_bicycle,
    draw_cyclist,
    draw_motorcycle,
    draw_motorcyclist,
    draw_person,
)
from keras_lraspp.street_scenes.plan import (
    FAR,
    KERB_HEIGHT,
    LANE,
    PARKING,
    Cast,
    Draw,
    Plot,
    Side,
    Street,
)
from keras_lraspp.street_scenes.scenery import (
    draw_bush,
    draw_hedge,
    draw_house,
    draw_tree,
)
from keras_lraspp.street_scenes.street_furniture import (
    draw_bin,
    draw_direction_board,
    draw_fence,
    draw_lamp,
    draw_sign,
    draw_traffic_light,
    draw_wall,
)
from keras_lraspp.street_scenes.vehicles import CARS, Vehicle, draw_vehicle


def draw_plots(canvas: Canvas, street: Street) -> None:
    """Paints both sides' plots, the far ones first."""
    for side in (street.left, street.right):
        for plot in reversed(side.plots):
            _draw_plot(canvas, side, plot)


def _draw_plot(canvas: Canvas, side: Side, plot: Plot) -> None:
    rng = random.Random(plot.seed)
    x = side.sign * side.edge
    if plot.kind == "house":
        draw_house(canvas, x, plot.start, plot.end, rng)
        return
    if rng.random() < 0.75:
        set_back = x + side.sign * rng.uniform(5.0, 8.0)
        draw_house(canvas, set_back, plot.start + 1.0, plot.end - 1.5, rng)
    spots = rng.randint(2, 3)
    for k in reversed(range(spots)):
        z = plot.start + (plot.end - plot.start) * (k + rng.uniform(0.3, 0.8)) / spots
        tree_x = x + side.sign * rng.uniform(2.0, 3.5)
        draw_tree(canvas, tree_x, z, rng)
    if plot.kind == "fence":
        for z in (plot.end - 2.5, plot.start + 3.0):
            if rng.random() < 0.5:
                draw_bush(canvas, x + side.sign * 1.5, z, rng)
        draw_fence(canvas, x, plot.start, plot.end, rng, KERB_HEIGHT)
    elif plot.kind == "wall":
        draw_wall(canvas, x, plot.start, plot.end, rng, KERB_HEIGHT)
    elif rng.random() < 0.5:
        draw_hedge(canvas, x + side.sign * 0.4, plot.start, plot.end, rng)
    else:
        draw_bush(canvas, x + side.sign * 1.2, (plot.start + plot.end) / 2, rng)


def draw_horizon(canvas: Canvas, street: Street, rng: random.Random) -> None:
    """Closes the view at the street's far end with houses and trees."""
    z = FAR + 30.0
    x = -150.0
    while x < 150.0:
        wide, high = rng.uniform(9.0, 18.0), rng.uniform(8.0, 20.0)
        colour = canvas.light.lit((190, 172, 150), (0, 0, -1))
        corners = ((x, 0, z), (x + wide, 0, z), (x + wide, high, z), (x, high, z))
        canvas.claim("building", canvas.face(corners, colour, facing(z), "plaster"))
        x += wide
    z = FAR + 6.0
    green = canvas.light.lit((60, 96, 44), (0, 0.6, -0.8))
    for _ in range(9):
        middle, radius = rng.uniform(-45.0, 45.0), rng.uniform(3.0, 5.0)
        crown = [
            (middle + radius * (1 + rng.uniform(-0.15, 0.15)) * math.cos(k / 3),
             max(0.0, radius * (0.9 + 1.1 * math.sin(k / 3))), z)
            for k in range(19)
        ]  # fmt: skip
        canvas.claim("vegetation", canvas.face(crown, green, facing(z), "leaves"))


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


PAINTS: tuple[Colour, ...] = (
    (40, 44, 52), (120, 124, 130), (28, 40, 66), (96, 24, 28), (180, 184, 188),
)  # fmt: skip

_WIRE: Colour = (58, 60, 64)


def draw_wires(canvas: Canvas, street: Street) -> None:
    """Paints the tram's overhead wires; they are too thin for a label."""
    if street.rails is None:
        return
    focal = canvas.camera.focal
    left, right = -street.left.edge, street.right.edge
    for z in range(90, 8, -16):
        points = canvas.camera.project([(left, 7.0, z), (street.rails, 6.3, z),
                                        (right, 7.0, z)])  # fmt: skip
        canvas.stroke(points, 0.03 * focal / z, canvas.surface(_WIRE, facing(z)))
    for offset in (0.0, 0.25):
        x = street.rails + offset
        for start, end in ((40.0, FAR), (16.0, 40.0), (7.0, 16.0), (2.5, 7.0)):
            points = canvas.camera.project([(x, 6.1, start), (x, 6.1, end)])
            surface = canvas.surface(_WIRE, facing(start))
            canvas.stroke(points, 0.025 * focal / start, surface)


def draw_bonnet(canvas: Canvas, rng: random.Random) -> None:
    """Paints the bonnet of the car that carries the camera, in most scenes."""
    if rng.random() > 0.6:
        return
    width, height = canvas.label_image.size
    rise, paint = rng.uniform(0.035, 0.085), rng.choice(PAINTS)
    lit = canvas.light.lit(paint)
    middle = rng.uniform(0.46, 0.54)
    for share, tone in ((1.0, 0.75), (0.86, 1.0), (0.66, 1.12), (0.4, 1.0), (0.2, 0.9)):
        outline = [
            (width * (middle + (k / 12 - 1) * 0.62),
             height * (1.0 - rise * share * (1.0 - (k / 12 - 1) ** 4)))
            for k in range(25)
        ]  # fmt: skip
        outline += [
            (width * (middle + 0.62), height),
            (width * (middle - 0.62), height),
        ]
        surface = canvas.surface(tuple(tone * part for part in lit), facing(1.5))
        canvas.fill(outline, surface)
        if share == 1.0:
            canvas.claim("ego vehicle", outline)
