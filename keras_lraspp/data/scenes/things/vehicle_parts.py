"""What vehicles are described with: boxes, panels on them, paints, wheels."""

from collections.abc import Mapping
from typing import NamedTuple

from keras_lraspp.data.scenes.picture.light import Colour

Paints = Mapping[str, Colour]

# Paints that every vehicle may use; a vehicle's own paints come on top.
COMMON_PAINTS: dict[str, Colour] = {
    "glass": (42, 54, 66),
    "sheen": (112, 136, 156),
    "dark": (34, 35, 38),
    "tyre": (28, 28, 30),
    "rim": (168, 170, 174),
    "chrome": (196, 198, 200),
    "plate": (236, 236, 226),
    "lamp": (250, 248, 226),
    "tail": (206, 26, 24),
    "amber": (250, 160, 40),
    "white": (236, 236, 234),
}
GLOWING = frozenset({"lamp", "tail", "amber"})


class Panel(NamedTuple):
    """A flat detail on a box: its place on a face, as polygons' corners.

    Attributes:
        face: "side" (both), "front" or "rear".
        corners: On a side (metres forward, metres up); on the front and rear (share
            of half the width, -1 left to 1 right; metres up).
        paint: Name of its paint.
        count: How often it is repeated.
        pitch: Metres (or share of the half width) from one to the next.
    """

    face: str
    corners: tuple[tuple[float, float], ...]
    paint: str
    count: int = 1
    pitch: float = 0.0


class Box(NamedTuple):
    """A part of a vehicle, cut from its side view and narrowing towards the top.

    Attributes:
        profile: Convex side view, anticlockwise: (metres forward, metres up).
        paint: Name of its paint.
        panels: What is painted on it, in order.
        inset: Metres by which each side leans in at the box's top.
        half_width: Share of the vehicle's half width at the box's bottom.
        level: Boxes of a higher level are painted later: what stands on others. What
            stands on a roof above the camera's eye comes before the roof's edge.
    """

    profile: tuple[tuple[float, float], ...]
    paint: str
    panels: tuple[Panel, ...] = ()
    inset: float = 0.0
    half_width: float = 1.0
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


def rectangle(
    face: str, start: float, end: float, low: float, high: float, paint: str, **repeat
) -> Panel:
    """A rectangular panel between two places along a face and two heights."""
    corners = ((start, low), (end, low), (end, high), (start, high))
    return Panel(face, corners, paint, **repeat)
