"""Vehicles from tables: boxes with a profile, panels on them, wheels under them."""

import random

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.things.body import Body
from keras_lraspp.data.scenes.things.pose import CIRCLE, Local, Pose, circle
from keras_lraspp.data.scenes.things.vehicle_parts import (
    COMMON_PAINTS,
    GLOWING,
    Box,
    Paints,
    Vehicle,
)


def draw_vehicle(
    canvas: Canvas, pose: Pose, model: Vehicle, rng: random.Random
) -> None:
    """Paints a vehicle, its shadow and its label."""
    paints = COMMON_PAINTS | rng.choice(model.liveries)
    paints["shade"] = tuple(0.6 * part for part in paints.get("body", (90, 90, 90)))
    body = Body(canvas, pose)
    half = model.width / 2
    _shade_ground(body, model, half)
    _draw_tyres(body, model, half, paints)
    for box in sorted(model.boxes, key=lambda box: _order(pose, box)):
        _draw_box(body, box, half, paints)
    for axle in model.axles:
        for side in (-half, half):
            _draw_wheel(body, model, axle, side, paints)
    body.finish(model.label)


def _order(pose: Pose, box: Box) -> tuple[int, float]:
    """Sort key: level by level, the boxes far from the camera first."""
    ends = [forward for forward, _ in box.profile]
    middle = (min(ends) + max(ends)) / 2
    return (box.level, -pose.place((middle, 0.0, 0.0))[2])


def _draw_box(body: Body, box: Box, half: float, paints: Paints) -> None:
    half *= box.half_width
    ups = [up for _, up in box.profile]
    low, high = min(ups), max(ups)
    ends = [forward for forward, _ in box.profile]
    inside = ((min(ends) + max(ends)) / 2, (low + high) / 2, 0.0)

    def lean(up: float) -> float:
        return half - box.inset * (up - low) / (high - low)

    for index, (forward, up) in enumerate(box.profile):
        before, before_up = box.profile[index - 1]
        wide, before_wide = lean(up), lean(before_up)
        corners = (
            (before, before_up, -before_wide),
            (before, before_up, before_wide),
            (forward, up, wide),
            (forward, up, -wide),
        )
        body.facet(corners, inside, paints[box.paint])
    for sign in (-1.0, 1.0):
        side = [(forward, up, sign * lean(up)) for forward, up in box.profile]
        body.facet(side, inside, paints[box.paint])
    for panel in box.panels:
        for copy in range(panel.count):
            _draw_panel(body, box, panel, copy * panel.pitch, lean, inside, paints)


def _draw_panel(body, box, panel, shift, lean, inside, paints) -> None:
    glows = panel.paint in GLOWING
    colour = paints[panel.paint]
    if panel.face == "side":
        for sign in (-1.0, 1.0):
            corners = [(at + shift, up, sign * lean(up)) for at, up in panel.corners]
            body.facet(corners, inside, colour, glows=glows, detail=True)
        return
    pick = max if panel.face == "front" else min
    corners = [
        (_profile_at(box, up, pick), up, (at + shift) * lean(up))
        for at, up in panel.corners
    ]
    body.facet(corners, inside, colour, glows=glows, detail=True)


def _profile_at(box: Box, up: float, pick) -> float:
    """The foremost (or rearmost) point of the profile at one height."""
    crossings = []
    for index, (forward, high) in enumerate(box.profile):
        before, low = box.profile[index - 1]
        if min(low, high) - 1e-9 <= up <= max(low, high) + 1e-9:
            share = 0.0 if high == low else (up - low) / (high - low)
            crossings.append(before + share * (forward - before))
    return pick(crossings)


def _shade_ground(body: Body, model: Vehicle, half: float) -> None:
    ends = [forward for box in model.boxes for forward, _ in box.profile]
    back, front = min(ends), max(ends)
    corners: list[Local] = []
    for box in model.boxes:
        for forward, up in box.profile:
            corners += [(forward, up, -half), (forward, up, half)]
    body.cast(corners)
    footprint = [(end, 0.0, side) for end in (back, front) for side in (-half, half)]
    body.cast(footprint, 0.72)


def _draw_tyres(body: Body, model: Vehicle, half: float, paints: Paints) -> None:
    """The tyres' treads and the darkness under the vehicle, as seen from its end."""
    radius = model.wheel_radius
    for axle in sorted(model.axles, key=lambda at: -body.pose.place((at, 0, 0))[2]):
        for sign in (-1.0, 1.0):
            tread = [
                (axle, up, sign * half * share)
                for share, up in ((0.62, 0), (0.98, 0), (0.98, radius), (0.62, radius))
            ]
            for inside in ((axle - 1, 0, 0), (axle + 1, 0, 0)):
                body.facet(tread, inside, paints["tyre"])


def _draw_wheel(body, model: Vehicle, axle, side, paints: Paints) -> None:
    inside = (axle, model.wheel_radius, 0.0)
    radius = model.wheel_radius
    arch = [(axle + 1.22 * radius * c, radius * (1 + 1.22 * max(s, -0.4)), side)
            for c, s in CIRCLE]  # fmt: skip
    body.facet(arch, inside, paints["dark"], detail=True)
    for share, paint in ((1.0, "tyre"), (0.62, "rim"), (0.2, "dark")):
        disc = circle(axle, radius, side, share * radius)
        body.facet(disc, inside, paints[paint], detail=share < 1)
