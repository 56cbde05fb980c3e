"""Trams: long, low-floored, white and sea-green, sloping at both ends."""

from keras_lraspp.data.scenes.things.vehicle_parts import Box, Panel, Vehicle, rectangle

LIVERIES = (
    {"body": (226, 232, 226), "band": (0, 122, 104), "skirt": (0, 98, 86)},
    {"body": (0, 132, 112), "band": (232, 236, 230), "skirt": (0, 92, 80)},
    {"body": (222, 230, 228), "band": (10, 134, 128), "skirt": (54, 60, 64)},
)

_HEIGHT = 3.35
# Metres from one window to the next.
_PITCH = 1.62


def _ends(top: float) -> tuple[Panel, ...]:
    panels = []
    for face, light in (("front", "lamp"), ("rear", "tail")):
        panels += [
            rectangle(face, -1.0, 1.0, 0.25, 0.95, "skirt"),
            rectangle(face, -0.88, 0.88, 1.25, top + 0.1, "glass"),
            Panel(face, ((-0.6, 1.3), (-0.2, 1.3), (0.1, top), (-0.3, top)), "sheen"),
            rectangle(face, -0.6, 0.6, top + 0.14, _HEIGHT - 0.1, "dark"),
            rectangle(face, -0.34, 0.40, top + 0.2, _HEIGHT - 0.16, "amber"),
            rectangle(face, -0.14, 0.14, 0.98, 1.14, "lamp"),
            rectangle(face, -0.86, -0.6, 0.7, 0.9, light),
            rectangle(face, 0.6, 0.86, 0.7, 0.9, light),
        ]
    return tuple(panels)


def _sides(back: float, front: float, top: float) -> tuple[Panel, ...]:
    windows = max(1, int((front - back - 1.6) / _PITCH))
    doors = {"count": max(1, windows // 4), "pitch": 4 * _PITCH}
    start, high = back + 0.9, top - 0.05
    return (
        rectangle("side", back, front, 0.25, 0.62, "skirt"),
        rectangle("side", back, front, 0.72, 1.18, "band"),
        rectangle("side", back + 0.35, front - 0.35, 1.35, top, "glass"),
        rectangle(
            "side", start, start + _PITCH - 0.32, 1.95, top - 0.08, "sheen",
            count=windows, pitch=_PITCH,
        ),
        rectangle("side", start + 1.9, start + 3.0, 0.4, top + 0.06, "band", **doors),
        rectangle("side", start + 2.02, start + 2.4, 0.55, high, "glass", **doors),
        rectangle("side", start + 2.5, start + 2.88, 0.55, high, "glass", **doors),
    )  # fmt: skip


def _section(back: float, front: float, back_slope: float, front_slope: float) -> Box:
    top = _HEIGHT - 0.5
    profile = (
        (back, 0.25), (front, 0.25), (front, 1.2),
        (front - front_slope, _HEIGHT - 0.06),
        (front - front_slope - 0.1, _HEIGHT), (back + back_slope + 0.1, _HEIGHT),
        (back + back_slope, _HEIGHT - 0.06), (back, 1.2),
    )  # fmt: skip
    panels = _sides(back, front, top) + _ends(top)
    return Box(profile, "body", panels, inset=0.12)


def _joint(at: float) -> Box:
    profile = ((at - 0.3, 0.4), (at + 0.3, 0.4), (at + 0.3, 3.2), (at - 0.3, 3.2))
    return Box(profile, "dark", half_width=0.86)


def _roof_unit(at: float) -> Box:
    low, high = _HEIGHT, _HEIGHT + 0.26
    profile = ((at - 1.4, low), (at + 1.4, low), (at + 1.2, high), (at - 1.2, high))
    return Box(profile, "skirt", half_width=0.62, level=-1)


def _tram(name: str, sections: int, length: float) -> Vehicle:
    boxes = []
    for index in range(sections):
        back = (index - sections / 2) * length
        front = back + length
        slopes = (0.42 * (index == 0), 0.42 * (index == sections - 1))
        boxes.append(_section(back + 0.25, front - 0.25, *slopes))
        boxes.append(_roof_unit((back + front) / 2))
        if index:
            boxes.append(_joint(back))
    return Vehicle(name, "train", 2.5, tuple(boxes), (), 0.3, LIVERIES)


TRAMS = (_tram("tram", 2, 9.0), _tram("long tram", 3, 8.0))
