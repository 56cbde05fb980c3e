"""Buses: tall, yellow, with a band of windows and doors to the right."""

from keras_lraspp.street_scenes.vehicles import Box, Panel, Vehicle, rectangle

BUS_LIVERIES = (
    {"body": (238, 178, 20), "skirt": (120, 84, 20)},
    {"body": (240, 192, 44), "skirt": (60, 60, 64)},
    {"body": (228, 162, 24), "skirt": (232, 228, 220)},
)

# Metres from one window to the next.
_BUS_PITCH = 1.45


def _bus_sides(end: float, top: float) -> tuple[Panel, ...]:
    windows = int((2 * end - 1.2) / _BUS_PITCH)
    pane = (-end + 0.25, -end + 1.50)
    return (
        rectangle("side", -end, end, 0.35, 0.72, "skirt"),
        rectangle("side", -end + 0.1, end - 0.15, 1.25, top, "glass"),
        rectangle(
            "side", *pane, 1.95, top - 0.08, "sheen", count=windows, pitch=_BUS_PITCH,
        ),
        rectangle(
            "side", pane[1] + 0.02, pane[1] + 0.12, 1.25, top, "dark",
            count=windows, pitch=_BUS_PITCH,
        ),
        rectangle("side", end - 1.55, end - 0.45, 0.5, top, "dark"),
        rectangle("side", end - 1.48, end - 1.04, 0.6, top - 0.1, "sheen"),
        rectangle("side", end - 0.98, end - 0.52, 0.6, top - 0.1, "sheen"),
    )  # fmt: skip


def _front(top: float, height: float) -> tuple[Panel, ...]:
    return (
        rectangle("front", -1.0, 1.0, 0.35, 0.6, "skirt"),
        rectangle("front", -0.94, 0.94, 1.15, top, "glass"),
        Panel("front", ((-0.7, 1.2), (-0.3, 1.2), (0.2, top), (-0.2, top)), "sheen"),
        rectangle("front", -0.02, 0.02, 1.15, top, "dark"),
        rectangle("front", -0.75, 0.75, top + 0.06, height - 0.08, "dark"),
        rectangle("front", -0.62, -0.40, top + 0.12, height - 0.14, "amber"),
        rectangle("front", -0.30, 0.60, top + 0.16, height - 0.18, "amber"),
        rectangle("front", -0.92, -0.62, 0.68, 0.88, "lamp"),
        rectangle("front", 0.62, 0.92, 0.68, 0.88, "lamp"),
        rectangle("front", -0.26, 0.26, 0.42, 0.54, "plate"),
    )


def _rear(top: float, height: float) -> tuple[Panel, ...]:
    return (
        rectangle("rear", -1.0, 1.0, 0.35, 0.6, "skirt"),
        rectangle("rear", -0.80, 0.80, 1.70, top, "glass"),
        Panel("rear", ((-0.6, 1.7), (-0.3, 1.7), (0.1, top), (-0.2, top)), "sheen"),
        rectangle("rear", -0.70, 0.70, 0.75, 1.35, "skirt"),
        rectangle("rear", -0.64, 0.64, 0.85, 0.90, "dark", count=1),
        rectangle("rear", -0.64, 0.64, 1.05, 1.10, "dark", count=1),
        rectangle("rear", -0.24, 0.24, 0.62, 0.73, "plate"),
        rectangle("rear", -0.97, -0.82, 0.75, 1.45, "tail"),
        rectangle("rear", 0.82, 0.97, 0.75, 1.45, "tail"),
        rectangle("rear", -0.30, 0.30, top + 0.08, height - 0.1, "amber"),
    )


def _bus(name: str, length: float, height: float) -> Vehicle:
    end, top = length / 2, height - 0.45
    profile = (
        (-end, 0.35), (end, 0.35), (end + 0.02, 1.1), (end - 0.12, height - 0.05),
        (end - 0.2, height), (-end + 0.12, height), (-end + 0.03, height - 0.06),
    )  # fmt: skip
    panels = _bus_sides(end, top) + _front(top, height) + _rear(top, height)
    coach = Box(profile, "body", panels, inset=0.08)
    unit = (
        (-end * 0.5, height), (0.2, height), (0.0, height + 0.28),
        (-end * 0.45, height + 0.28),
    )  # fmt: skip
    roof = Box(unit, "skirt", half_width=0.7, level=-1)
    axles = (-end * 0.52, end - 2.4)
    return Vehicle(name, "bus", 2.52, (coach, roof), axles, 0.48, BUS_LIVERIES)


BUSES = (_bus("city bus", 11.0, 3.05), _bus("midibus", 8.4, 2.95))


TRAM_LIVERIES = (
    {"body": (226, 232, 226), "band": (0, 122, 104), "skirt": (0, 98, 86)},
    {"body": (0, 132, 112), "band": (232, 236, 230), "skirt": (0, 92, 80)},
    {"body": (222, 230, 228), "band": (10, 134, 128), "skirt": (54, 60, 64)},
)

_HEIGHT = 3.35
# Metres from one window to the next.
_TRAM_PITCH = 1.62


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


def _tram_sides(back: float, front: float, top: float) -> tuple[Panel, ...]:
    windows = max(1, int((front - back - 1.6) / _TRAM_PITCH))
    doors = {"count": max(1, windows // 4), "pitch": 4 * _TRAM_PITCH}
    start, high = back + 0.9, top - 0.05
    return (
        rectangle("side", back, front, 0.25, 0.62, "skirt"),
        rectangle("side", back, front, 0.72, 1.18, "band"),
        rectangle("side", back + 0.35, front - 0.35, 1.35, top, "glass"),
        rectangle(
            "side", start, start + _TRAM_PITCH - 0.32, 1.95, top - 0.08, "sheen",
            count=windows, pitch=_TRAM_PITCH,
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
    panels = _tram_sides(back, front, top) + _ends(top)
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
    return Vehicle(name, "train", 2.5, tuple(boxes), (), 0.3, TRAM_LIVERIES)


TRAMS = (_tram("tram", 2, 9.0), _tram("long tram", 3, 8.0))


TRUCK_LIVERIES = (
    {"cab": (208, 84, 24), "box": (238, 236, 230), "frame": (150, 152, 156),
     "sign": (208, 84, 24)},
    {"cab": (238, 238, 236), "box": (240, 238, 232), "frame": (128, 130, 134),
     "sign": (196, 60, 30)},
    {"cab": (190, 70, 36), "box": (232, 222, 200), "frame": (168, 100, 60),
     "sign": (120, 62, 34)},
    {"cab": (232, 120, 36), "box": (236, 134, 48), "frame": (238, 238, 234),
     "sign": (242, 240, 234)},
)  # fmt: skip

_FLOOR = 1.0


def _cab(front: float, height: float) -> Box:
    top = height - 0.3
    profile = (
        (front - 1.75, 0.45), (front, 0.45), (front + 0.02, 1.25),
        (front - 0.16, height - 0.08), (front - 0.3, height), (front - 1.75, height),
    )  # fmt: skip
    window = (
        (front - 1.15, 1.45), (front - 0.12, 1.45), (front - 0.26, top),
        (front - 1.15, top),
    )  # fmt: skip
    panels = (
        Panel("side", window, "glass"),
        rectangle("side", front - 1.2, front - 0.1, 0.45, 0.7, "dark"),
        rectangle("front", -0.9, 0.9, 1.4, top + 0.02, "glass"),
        Panel("front", ((-0.6, 1.4), (-0.2, 1.4), (0.2, top), (-0.2, top)), "sheen"),
        rectangle("front", -0.7, 0.7, 0.8, 1.25, "dark"),
        rectangle("front", -0.65, 0.65, 0.95, 1.0, "chrome"),
        rectangle("front", -0.65, 0.65, 1.08, 1.12, "chrome"),
        rectangle("front", -1.0, 1.0, 0.45, 0.72, "dark"),
        rectangle("front", -0.95, -0.66, 0.5, 0.68, "lamp"),
        rectangle("front", 0.66, 0.95, 0.5, 0.68, "lamp"),
        rectangle("front", -0.25, 0.25, 0.5, 0.62, "plate"),
    )
    return Box(profile, "cab", panels, inset=0.05, half_width=0.96, level=1)


def _cargo(back: float, front: float, height: float) -> Box:
    low, length = _FLOOR, front - back
    profile = ((back, low), (front, low), (front, height), (back, height))
    start, end = back + 0.16 * length, front - 0.16 * length
    panels = (
        rectangle("side", back, front, low, low + 0.14, "frame"),
        rectangle("side", back, front, height - 0.12, height, "frame"),
        rectangle("side", start, end, low + 0.75, height - 0.65, "sign"),
        rectangle(
            "side", start + 0.4, end - 0.18 * length, low + 0.98, height - 0.92, "box"
        ),
        rectangle("rear", -1.0, 1.0, height - 0.14, height, "frame"),
        rectangle("rear", -1.0, 1.0, low, low + 0.16, "frame"),
        rectangle("rear", -1.0, -0.93, low, height, "frame"),
        rectangle("rear", 0.93, 1.0, low, height, "frame"),
        rectangle("rear", -0.02, 0.02, low, height, "dark"),
        rectangle("rear", -0.32, -0.28, low + 0.15, height - 0.15, "chrome"),
        rectangle("rear", 0.28, 0.32, low + 0.15, height - 0.15, "chrome"),
        rectangle("rear", -0.78, -0.42, low + 0.7, low + 1.15, "sign"),
    )
    return Box(profile, "box", panels, level=1)


def _chassis(back: float, front: float) -> Box:
    profile = ((back, 0.5), (front, 0.5), (front, _FLOOR), (back, _FLOOR))
    panels = (
        rectangle("rear", -0.98, 0.98, 0.5, 0.72, "chrome"),
        rectangle("rear", -0.95, -0.62, 0.54, 0.68, "tail"),
        rectangle("rear", 0.62, 0.95, 0.54, 0.68, "tail"),
        rectangle("rear", -0.25, 0.25, 0.74, 0.88, "plate"),
        rectangle("side", back + 1.2, front - 0.8, 0.55, 0.85, "chrome"),
    )
    return Box(profile, "dark", panels, half_width=0.94)


def _truck(name: str, length: float, height: float, axles) -> Vehicle:
    end = length / 2
    boxes = (
        _chassis(-end, end - 1.8),
        _cab(end, min(2.75, height - 0.3)),
        _cargo(-end - 0.05, end - 1.95, height),
    )
    return Vehicle(name, "truck", 2.5, boxes, axles, 0.50, TRUCK_LIVERIES)


TRUCKS = (
    _truck("delivery truck", 7.2, 3.35, (-1.9, 2.3)),
    _truck("lorry", 9.4, 3.75, (-3.1, -1.9, 3.3)),
)
