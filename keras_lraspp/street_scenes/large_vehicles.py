"""Buses, trams and trucks."""

from keras_lraspp.street_scenes.vehicles import (
    Box,
    Panel,
    Vehicle,
    corners_of,
    mirrored,
    rectangle,
)

_BUS_LIVERIES = (
    {"body": (238, 178, 20), "skirt": (120, 84, 20)},
    {"body": (240, 192, 44), "skirt": (60, 60, 64)},
    {"body": (228, 162, 24), "skirt": (232, 228, 220)},
)
_TRAM_LIVERIES = (
    {"body": (226, 232, 226), "band": (0, 122, 104), "skirt": (0, 98, 86)},
    {"body": (0, 132, 112), "band": (232, 236, 230), "skirt": (0, 92, 80)},
    {"body": (222, 230, 228), "band": (10, 134, 128), "skirt": (54, 60, 64)},
)
_TRUCK_LIVERIES = (
    {"cab": (208, 84, 24), "box": (238, 236, 230), "frame": (150, 152, 156),
     "sign": (208, 84, 24)},
    {"cab": (238, 238, 236), "box": (240, 238, 232), "frame": (128, 130, 134),
     "sign": (196, 60, 30)},
    {"cab": (190, 70, 36), "box": (232, 222, 200), "frame": (168, 100, 60),
     "sign": (120, 62, 34)},
    {"cab": (232, 120, 36), "box": (236, 134, 48), "frame": (238, 238, 234),
     "sign": (242, 240, 234)},
)  # fmt: skip


def _bus(name: str, length: float, height: float) -> Vehicle:
    end, top = length / 2, height - 0.45
    profile = ((-end, 0.35), (end, 0.35), (end + 0.02, 1.1),
               (end - 0.12, height - 0.05), (end - 0.2, height), (-end + 0.12, height),
               (-end + 0.03, height - 0.06))  # fmt: skip
    panels = _bus_sides(end, top) + _bus_ends(top, height)
    high = height + 0.28
    unit = ((-end * 0.5, height), (0.2, height), (0.0, high), (-end * 0.45, high))
    coach = Box(profile, "body", panels, inset=0.08)
    roof = Box(unit, "skirt", half_width=0.7, level=-1)
    axles = (-end * 0.52, end - 2.4)
    return Vehicle(name, "bus", 2.52, (coach, roof), axles, 0.48, _BUS_LIVERIES)


def _bus_sides(end: float, top: float) -> tuple[Panel, ...]:
    pitch = 1.45
    windows = {"count": int((2 * end - 1.2) / pitch), "pitch": pitch}
    left, right = -end + 0.25, -end + 1.50
    return (
        rectangle("side", -end, end, 0.35, 0.72, "skirt"),
        rectangle("side", -end + 0.1, end - 0.15, 1.25, top, "glass"),
        rectangle("side", left, right, 1.95, top - 0.08, "sheen", **windows),
        rectangle("side", right + 0.02, right + 0.12, 1.25, top, "dark", **windows),
        rectangle("side", end - 1.55, end - 0.45, 0.5, top, "dark"),
        rectangle("side", end - 1.48, end - 1.04, 0.6, top - 0.1, "sheen"),
        rectangle("side", end - 0.98, end - 0.52, 0.6, top - 0.1, "sheen"),
    )


def _bus_ends(top: float, height: float) -> tuple[Panel, ...]:
    return (
        rectangle("front", -1.0, 1.0, 0.35, 0.6, "skirt"),
        rectangle("front", -0.94, 0.94, 1.15, top, "glass"),
        Panel("front", ((-0.7, 1.2), (-0.3, 1.2), (0.2, top), (-0.2, top)), "sheen"),
        rectangle("front", -0.02, 0.02, 1.15, top, "dark"),
        rectangle("front", -0.75, 0.75, top + 0.06, height - 0.08, "dark"),
        rectangle("front", -0.62, -0.40, top + 0.12, height - 0.14, "amber"),
        rectangle("front", -0.30, 0.60, top + 0.16, height - 0.18, "amber"),
        *mirrored("front", 0.62, 0.92, 0.68, 0.88, "lamp"),
        rectangle("front", -0.26, 0.26, 0.42, 0.54, "plate"),
        rectangle("rear", -1.0, 1.0, 0.35, 0.6, "skirt"),
        rectangle("rear", -0.80, 0.80, 1.70, top, "glass"),
        Panel("rear", ((-0.6, 1.7), (-0.3, 1.7), (0.1, top), (-0.2, top)), "sheen"),
        rectangle("rear", -0.70, 0.70, 0.75, 1.35, "skirt"),
        rectangle("rear", -0.64, 0.64, 0.85, 0.90, "dark"),
        rectangle("rear", -0.64, 0.64, 1.05, 1.10, "dark"),
        rectangle("rear", -0.24, 0.24, 0.62, 0.73, "plate"),
        *mirrored("rear", 0.82, 0.97, 0.75, 1.45, "tail"),
        rectangle("rear", -0.30, 0.30, top + 0.08, height - 0.1, "amber"),
    )


BUSES = (_bus("city bus", 11.0, 3.05), _bus("midibus", 8.4, 2.95))

_TRAM_HEIGHT = 3.35


def _tram(name: str, sections: int, length: float) -> Vehicle:
    boxes = []
    low, high = _TRAM_HEIGHT, _TRAM_HEIGHT + 0.26
    for index in range(sections):
        back = (index - sections / 2) * length
        front = back + length
        slopes = (0.42 * (index == 0), 0.42 * (index == sections - 1))
        boxes.append(_tram_section(back + 0.25, front - 0.25, *slopes))
        at = (back + front) / 2
        unit = ((at - 1.4, low), (at + 1.4, low), (at + 1.2, high), (at - 1.2, high))
        boxes.append(Box(unit, "skirt", half_width=0.62, level=-1))
        if index:
            joint = corners_of(back - 0.3, back + 0.3, 0.4, 3.2)
            boxes.append(Box(joint, "dark", half_width=0.86))
    return Vehicle(name, "train", 2.5, tuple(boxes), (), 0.3, _TRAM_LIVERIES)


def _tram_section(back: float, front: float, back_slope, front_slope) -> Box:
    top, height = _TRAM_HEIGHT - 0.5, _TRAM_HEIGHT
    profile = ((back, 0.25), (front, 0.25), (front, 1.2),
               (front - front_slope, height - 0.06),
               (front - front_slope - 0.1, height), (back + back_slope + 0.1, height),
               (back + back_slope, height - 0.06), (back, 1.2))  # fmt: skip
    panels = _tram_sides(back, front, top)
    for face, light in (("front", "lamp"), ("rear", "tail")):
        panels += (
            rectangle(face, -1.0, 1.0, 0.25, 0.95, "skirt"),
            rectangle(face, -0.88, 0.88, 1.25, top + 0.1, "glass"),
            Panel(face, ((-0.6, 1.3), (-0.2, 1.3), (0.1, top), (-0.3, top)), "sheen"),
            rectangle(face, -0.6, 0.6, top + 0.14, height - 0.1, "dark"),
            rectangle(face, -0.34, 0.40, top + 0.2, height - 0.16, "amber"),
            rectangle(face, -0.14, 0.14, 0.98, 1.14, "lamp"),
            *mirrored(face, 0.6, 0.86, 0.7, 0.9, light),
        )
    return Box(profile, "body", panels, inset=0.12)


def _tram_sides(back: float, front: float, top: float) -> tuple[Panel, ...]:
    pitch = 1.62
    count = max(1, int((front - back - 1.6) / pitch))
    windows = {"count": count, "pitch": pitch}
    doors = {"count": max(1, count // 4), "pitch": 4 * pitch}
    start, high = back + 0.9, top - 0.05
    pane_end = start + pitch - 0.32
    return (
        rectangle("side", back, front, 0.25, 0.62, "skirt"),
        rectangle("side", back, front, 0.72, 1.18, "band"),
        rectangle("side", back + 0.35, front - 0.35, 1.35, top, "glass"),
        rectangle("side", start, pane_end, 1.95, top - 0.08, "sheen", **windows),
        rectangle("side", start + 1.9, start + 3.0, 0.4, top + 0.06, "band", **doors),
        rectangle("side", start + 2.02, start + 2.4, 0.55, high, "glass", **doors),
        rectangle("side", start + 2.5, start + 2.88, 0.55, high, "glass", **doors),
    )


TRAMS = (_tram("tram", 2, 9.0), _tram("long tram", 3, 8.0))

# Height of a truck's cargo floor, in metres.
_CARGO_FLOOR = 1.0


def _truck(name: str, length: float, height: float, axles) -> Vehicle:
    end = length / 2
    chassis, cab = _chassis(-end, end - 1.8), _cab(end, min(2.75, height - 0.3))
    boxes = (chassis, cab, _cargo(-end - 0.05, end - 1.95, height))
    return Vehicle(name, "truck", 2.5, boxes, axles, 0.50, _TRUCK_LIVERIES)


def _chassis(back: float, front: float) -> Box:
    panels = (
        rectangle("rear", -0.98, 0.98, 0.5, 0.72, "chrome"),
        *mirrored("rear", 0.62, 0.95, 0.54, 0.68, "tail"),
        rectangle("rear", -0.25, 0.25, 0.74, 0.88, "plate"),
        rectangle("side", back + 1.2, front - 0.8, 0.55, 0.85, "chrome"),
    )
    profile = corners_of(back, front, 0.5, _CARGO_FLOOR)
    return Box(profile, "dark", panels, half_width=0.94)


def _cab(front: float, height: float) -> Box:
    top, pillar = height - 0.3, front - 1.15
    profile = ((front - 1.75, 0.45), (front, 0.45), (front + 0.02, 1.25),
               (front - 0.16, height - 0.08), (front - 0.3, height),
               (front - 1.75, height))  # fmt: skip
    window = ((pillar, 1.45), (front - 0.12, 1.45), (front - 0.26, top), (pillar, top))
    panels = (
        Panel("side", window, "glass"),
        rectangle("side", front - 1.2, front - 0.1, 0.45, 0.7, "dark"),
        rectangle("front", -0.9, 0.9, 1.4, top + 0.02, "glass"),
        Panel("front", ((-0.6, 1.4), (-0.2, 1.4), (0.2, top), (-0.2, top)), "sheen"),
        rectangle("front", -0.7, 0.7, 0.8, 1.25, "dark"),
        rectangle("front", -0.65, 0.65, 0.95, 1.0, "chrome"),
        rectangle("front", -0.65, 0.65, 1.08, 1.12, "chrome"),
        rectangle("front", -1.0, 1.0, 0.45, 0.72, "dark"),
        *mirrored("front", 0.66, 0.95, 0.5, 0.68, "lamp"),
        rectangle("front", -0.25, 0.25, 0.5, 0.62, "plate"),
    )
    return Box(profile, "cab", panels, inset=0.05, half_width=0.96, level=1)


def _cargo(back: float, front: float, high: float) -> Box:
    low, length = _CARGO_FLOOR, front - back
    start, end = back + 0.16 * length, front - 0.16 * length
    left, right = start + 0.4, end - 0.18 * length
    panels = (
        rectangle("side", back, front, low, low + 0.14, "frame"),
        rectangle("side", back, front, high - 0.12, high, "frame"),
        rectangle("side", start, end, low + 0.75, high - 0.65, "sign"),
        rectangle("side", left, right, low + 0.98, high - 0.92, "box"),
        rectangle("rear", -1.0, 1.0, high - 0.14, high, "frame"),
        rectangle("rear", -1.0, 1.0, low, low + 0.16, "frame"),
        *mirrored("rear", 0.93, 1.0, low, high, "frame"),
        rectangle("rear", -0.02, 0.02, low, high, "dark"),
        *mirrored("rear", 0.28, 0.32, low + 0.15, high - 0.15, "chrome"),
        rectangle("rear", -0.78, -0.42, low + 0.7, low + 1.15, "sign"),
    )
    return Box(corners_of(back, front, low, high), "box", panels, level=1)


TRUCKS = (
    _truck("delivery truck", 7.2, 3.35, (-1.9, 2.3)),
    _truck("lorry", 9.4, 3.75, (-3.1, -1.9, 3.3)),
)
