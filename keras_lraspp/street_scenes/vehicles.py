"""Vehicles as boxes with panels on them and wheels under them, and the cars."""

from collections.abc import Callable, Mapping
from random import Random
from typing import NamedTuple

from keras_lraspp.street_scenes.body import Body, Pose, unit_circle, wheel_circle
from keras_lraspp.street_scenes.camera import Colour, Point2, scale_colour
from keras_lraspp.street_scenes.canvas import Canvas, facing

Paints = Mapping[str, Colour]

# Paints that every vehicle may use; a vehicle's own paints come on top.
_COMMON_PAINTS: Paints = {
    "glass": (42, 54, 66), "sheen": (112, 136, 156), "dark": (34, 35, 38),
    "tyre": (28, 28, 30), "rim": (168, 170, 174), "chrome": (196, 198, 200),
    "plate": (236, 236, 226), "lamp": (250, 248, 226), "tail": (206, 26, 24),
    "amber": (250, 160, 40),
}  # fmt: skip
_GLOWING = frozenset({"lamp", "tail", "amber"})


class Panel(NamedTuple):
    """A flat detail on a face of a box."""

    face: str  # "side" (both), "front" or "rear"
    # On a side (metres forward, metres up); on the front and rear (share of half the
    # width, -1 left to 1 right; metres up).
    corners: tuple[Point2, ...]
    paint: str
    count: int = 1  # how often it is repeated
    pitch: float = 0.0  # metres (or share of the half width) from one to the next


class Box(NamedTuple):
    """A part of a vehicle, cut from its side view and narrowing towards the top."""

    profile: tuple[Point2, ...]  # convex, anticlockwise: (metres forward, metres up)
    paint: str
    panels: tuple[Panel, ...] = ()  # in the order to paint them
    inset: float = 0.0  # metres by which each side leans in at the box's top
    half_width: float = 1.0  # share of the vehicle's half width, at the box's bottom
    # Boxes of a higher level are painted later: what stands on others. What stands on a
    # roof above the camera's eye comes before the roof's edge.
    level: int = 0


class Vehicle(NamedTuple):
    """One model of vehicle; sizes in metres."""

    name: str
    label: str
    width: float
    boxes: tuple[Box, ...]
    axles: tuple[float, ...]
    wheel_radius: float
    liveries: tuple[dict[str, Colour], ...]

    @property
    def length(self) -> float:
        """Length from bumper to bumper, in metres."""
        ends = [forward for box in self.boxes for forward, _ in box.profile]
        return max(ends) - min(ends)


def corners_of(start: float, end: float, low: float, high: float) -> tuple[Point2, ...]:
    """The corners of a rectangle, anticlockwise."""
    return ((start, low), (end, low), (end, high), (start, high))


def rectangle(face: str, start, end, low, high, paint: str, **repeat) -> Panel:
    """A rectangular panel between two places along a face and two heights."""
    return Panel(face, corners_of(start, end, low, high), paint, **repeat)


def mirrored(face: str, start, end, low, high, paint: str) -> tuple[Panel, Panel]:
    """A rectangular panel on the left of a front or rear, and one on the right."""
    left = rectangle(face, -end, -start, low, high, paint)
    return left, rectangle(face, start, end, low, high, paint)


def draw_vehicle(canvas: Canvas, pose: Pose, model: Vehicle, rng: Random) -> None:
    """Paints a vehicle, its shadow and its label."""
    paints = _COMMON_PAINTS | rng.choice(model.liveries)
    paints["shade"] = scale_colour(paints.get("body", (90, 90, 90)), 0.6)
    body = Body(canvas, pose)
    half = model.width / 2
    profile = [point for box in model.boxes for point in box.profile]
    body.add_shadow([(at, up, side) for at, up in profile for side in (-half, half)])
    ends = (min(at for at, _ in profile), max(at for at, _ in profile))
    body.add_shadow([(at, 0, side) for at in ends for side in (-half, half)], 0.72)

    def depth(forward: float) -> float:
        return pose.place((forward, 0.0, 0.0))[2]

    for axle in sorted(model.axles, key=depth, reverse=True):
        _draw_treads(body, axle, model.wheel_radius, half, paints)
    # Level by level, the boxes far from the camera first.
    for box in sorted(model.boxes, key=lambda box: (box.level, -depth(_middle(box)))):
        _draw_box(body, box, half * box.half_width, paints)
    for axle in model.axles:
        for side in (-half, half):
            _draw_wheel(body, axle, model.wheel_radius, side, paints)
    body.annotate(model.label)


def _middle(box: Box) -> float:
    ends = [forward for forward, _ in box.profile]
    return (min(ends) + max(ends)) / 2


def _draw_treads(body: Body, axle, radius, half, paints: Paints) -> None:
    """The tyres' treads and the darkness under the vehicle, as seen from its end."""
    outline = ((0.62, 0), (0.98, 0), (0.98, radius), (0.62, radius))
    for sign in (-1.0, 1.0):
        tread = [(axle, up, sign * half * share) for share, up in outline]
        for inside in ((axle - 1, 0, 0), (axle + 1, 0, 0)):
            body.facet(tread, inside, paints["tyre"])


def _draw_box(body: Body, box: Box, half: float, paints: Paints) -> None:
    ups = [up for _, up in box.profile]
    low, high = min(ups), max(ups)
    inside = (_middle(box), (low + high) / 2, 0.0)

    def lean(up: float) -> float:
        return half - box.inset * (up - low) / (high - low)

    for index, (forward, up) in enumerate(box.profile):
        before, before_up = box.profile[index - 1]
        wide, before_wide = lean(up), lean(before_up)
        corners = ((before, before_up, -before_wide), (before, before_up, before_wide),
                   (forward, up, wide), (forward, up, -wide))  # fmt: skip
        body.facet(corners, inside, paints[box.paint])
    for sign in (-1.0, 1.0):
        side = [(forward, up, sign * lean(up)) for forward, up in box.profile]
        body.facet(side, inside, paints[box.paint])
    for panel in box.panels:
        colour, glows = paints[panel.paint], panel.paint in _GLOWING
        for copy in range(panel.count):
            for corners in _place_panel(box, panel, copy * panel.pitch, lean):
                body.facet(corners, inside, colour, glows=glows, detail=True)


def _place_panel(box: Box, panel: Panel, shift, lean: Callable[[float], float]):
    """Yields the corners of a panel in the vehicle's coordinates."""
    if panel.face == "side":
        for sign in (-1.0, 1.0):
            yield [(at + shift, up, sign * lean(up)) for at, up in panel.corners]
        return
    pick = max if panel.face == "front" else min
    yield [
        (pick(_profile_at(box, up)), up, (at + shift) * lean(up))
        for at, up in panel.corners
    ]


def _profile_at(box: Box, height: float) -> list[float]:
    """Where the profile is at one height, in metres forward."""
    crossings = []
    for index, (forward, up) in enumerate(box.profile):
        before, low = box.profile[index - 1]
        if min(low, up) - 1e-9 <= height <= max(low, up) + 1e-9:
            share = 0.0 if up == low else (height - low) / (up - low)
            crossings.append(before + share * (forward - before))
    return crossings


def _draw_wheel(body: Body, axle, radius, side, paints: Paints) -> None:
    inside = (axle, radius, 0.0)
    arch = [(axle + 1.22 * radius * c, radius * (1 + 1.22 * max(s, -0.4)), side)
            for c, s in unit_circle(20)]  # fmt: skip
    body.facet(arch, inside, paints["dark"], detail=True)
    for share, paint in ((1.0, "tyre"), (0.62, "rim"), (0.2, "dark")):
        disc = wheel_circle(axle, radius, side, share * radius)
        body.facet(disc, inside, paints[paint], detail=share < 1)


_CAR_COLOURS = ((186, 24, 30), (32, 66, 148), (238, 238, 236), (40, 42, 46),
                (150, 156, 162), (206, 210, 212), (26, 70, 120), (120, 20, 40),
                (68, 120, 190), (92, 98, 104), (14, 40, 84), (130, 150, 176),
                (176, 182, 188))  # fmt: skip
_CAR_LIVERIES = tuple({"body": colour} for colour in _CAR_COLOURS)


def _car_body(length: float, belt: float, nose: float) -> Box:
    """The lower body, with bumpers, lights and plates."""
    end = length / 2
    profile = ((-end + 0.12, 0.24), (end - 0.14, 0.24), (end - 0.03, 0.36), (end, 0.52),
               (end - 0.05, nose - 0.12), (end - 0.24, nose), (end - 1.15, belt),
               (-end + 0.22, belt), (-end + 0.05, belt - 0.07), (-end, 0.60),
               (-end + 0.03, 0.38))  # fmt: skip
    lamp, tail = (nose - 0.27, nose - 0.13), (belt - 0.27, belt - 0.09)
    handle = (belt - 0.13, belt - 0.09)
    panels = (
        rectangle("side", -end + 0.14, end - 0.16, 0.24, 0.34, "dark"),
        rectangle("side", -0.34 * end, -0.34 * end + 0.2, *handle, "chrome"),
        rectangle("side", 0.12 * end, 0.12 * end + 0.2, *handle, "chrome"),
        rectangle("side", -0.02 * end, -0.02 * end + 0.02, 0.36, belt, "dark"),
        rectangle("side", -end + 0.06, -end + 0.26, *tail, "tail"),
        rectangle("side", end - 0.32, end - 0.10, *lamp, "lamp"),
        rectangle("front", -0.98, 0.98, 0.24, 0.36, "dark"),
        rectangle("front", -0.58, 0.58, 0.40, 0.62, "dark"),
        rectangle("front", -0.54, 0.54, 0.47, 0.49, "chrome"),
        rectangle("front", -0.54, 0.54, 0.55, 0.57, "chrome"),
        rectangle("front", -0.28, 0.28, 0.34, 0.44, "plate"),
        *mirrored("front", 0.62, 0.97, *lamp, "lamp"),
        rectangle("rear", -0.96, 0.96, 0.24, 0.36, "dark"),
        rectangle("rear", -0.98, 0.98, 0.46, 0.49, "shade"),
        rectangle("rear", -0.28, 0.28, 0.53, 0.64, "plate"),
        *mirrored("rear", 0.66, 0.98, *tail, "tail"),
        rectangle("rear", -0.60, -0.44, 0.26, 0.32, "chrome"),
    )
    return Box(profile, "body", panels, inset=0.07)


def _car_cabin(base: Point2, top: Point2, belt: float, roof: float) -> Box:
    """The glasshouse: windscreen, rear window and two windows a side.

    `base` and `top` are where it starts and ends at the belt and at the roof.
    """
    (back, front), (back_top, front_top) = base, top
    profile = ((back, belt), (front, belt), (front_top + 0.08, roof - 0.06),
               (front_top - 0.1, roof), (back_top + 0.1, roof),
               (back_top - 0.05, roof - 0.06))  # fmt: skip
    low, high = belt + 0.03, roof - 0.11
    share = (high - belt) / (roof - belt)
    back_high = back + (back_top - back) * share + 0.10
    front_high = front + (front_top - front) * share - 0.08
    middle = (back + front) / 2 - 0.05
    pillar = middle + 0.09
    rear_pane = ((back + 0.2, low), (middle, low), (middle, high), (back_high, high))
    front_pane = ((pillar, low), (front - 0.22, low), (front_high, high),
                  (pillar, high))  # fmt: skip
    shine = ((-0.6, low), (-0.2, low), (0.25, high), (-0.15, high))
    panels = (
        Panel("side", rear_pane, "glass"),
        Panel("side", front_pane, "glass"),
        rectangle("front", -0.92, 0.92, low, high + 0.02, "glass"),
        Panel("front", shine, "sheen"),
        rectangle("rear", -0.86, 0.86, low + 0.04, high, "glass"),
        Panel("rear", tuple((at, max(up, low + 0.04)) for at, up in shine), "sheen"),
        rectangle("rear", -0.2, 0.2, high + 0.015, high + 0.045, "tail"),
    )
    return Box(profile, "body", panels, inset=0.24, half_width=0.955, level=1)


def _car(name, length, width, belt, nose, roof, base, top) -> Vehicle:
    boxes = (_car_body(length, belt, nose), _car_cabin(base, top, belt, roof))
    axles = (-0.30 * length, 0.31 * length)
    return Vehicle(name, "car", width, boxes, axles, 0.33, _CAR_LIVERIES)


CARS = (
    _car("saloon", 4.6, 1.82, 0.92, 0.78, 1.46, (-1.85, 1.25), (-1.00, 0.40)),
    _car("hatchback", 4.0, 1.76, 0.94, 0.80, 1.50, (-1.92, 1.20), (-1.50, 0.40)),
    _car("estate", 4.7, 1.82, 0.94, 0.78, 1.50, (-2.25, 1.25), (-1.85, 0.40)),
    _car("off-roader", 4.5, 1.92, 1.06, 0.96, 1.74, (-2.12, 1.05), (-1.80, 0.35)),
    _car("van", 4.6, 1.92, 1.06, 0.96, 1.92, (-2.22, 1.55), (-2.05, 0.75)),
)

_BONNETS = ((40, 44, 52), (120, 124, 130), (28, 40, 66), (96, 24, 28), (180, 184, 188))


def draw_ego_bonnet(canvas: Canvas, rng: Random) -> None:
    """Paints the bonnet of the car that carries the camera, in most scenes."""
    if rng.random() > 0.6:
        return
    width, height = canvas.label_image.size
    rise, paint = rng.uniform(0.035, 0.085), rng.choice(_BONNETS)
    lit = canvas.light.lit(paint)
    middle = rng.uniform(0.46, 0.54)
    for share, tone in ((1.0, 0.75), (0.86, 1.0), (0.66, 1.12), (0.4, 1.0), (0.2, 0.9)):
        across, drop = [k / 12 - 1 for k in range(25)], rise * share
        outline = [(width * (middle + at * 0.62), height * (1.0 - drop * (1.0 - at**4)))
                   for at in across]  # fmt: skip
        outline += [(width * (middle + at), height) for at in (0.62, -0.62)]
        canvas.fill(outline, canvas.add_surface(scale_colour(lit, tone), facing(1.5)))
        if share == 1.0:
            canvas.annotate("ego vehicle", outline)
