"""Trucks: a cab in front of a plain cargo box, on a dark chassis."""

from keras_lraspp.data.scenes.things.vehicle_parts import Box, Panel, Vehicle, rectangle

LIVERIES = (
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
    return Vehicle(name, "truck", 2.5, boxes, axles, 0.50, LIVERIES)


TRUCKS = (
    _truck("delivery truck", 7.2, 3.35, (-1.9, 2.3)),
    _truck("lorry", 9.4, 3.75, (-3.1, -1.9, 3.3)),
)
