"""The cars: saloon, hatchback, estate, off-roader and van."""

from keras_lraspp.data.scenes.things.vehicle_parts import Box, Panel, Vehicle, rectangle

LIVERIES = tuple(
    {"body": colour}
    for colour in (
        (186, 24, 30), (32, 66, 148), (238, 238, 236), (40, 42, 46), (150, 156, 162),
        (206, 210, 212), (26, 70, 120), (120, 20, 40), (68, 120, 190), (92, 98, 104),
        (14, 40, 84), (130, 150, 176), (176, 182, 188),
    )
)  # fmt: skip


def _body(length: float, belt: float, nose: float) -> Box:
    """The lower body, with bumpers, lights and plates."""
    end = length / 2
    profile = (
        (-end + 0.12, 0.24), (end - 0.14, 0.24), (end - 0.03, 0.36), (end, 0.52),
        (end - 0.05, nose - 0.12), (end - 0.24, nose), (end - 1.15, belt),
        (-end + 0.22, belt), (-end + 0.05, belt - 0.07), (-end, 0.60),
        (-end + 0.03, 0.38),
    )  # fmt: skip
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
        rectangle("front", -0.97, -0.62, *lamp, "lamp"),
        rectangle("front", 0.62, 0.97, *lamp, "lamp"),
        rectangle("rear", -0.96, 0.96, 0.24, 0.36, "dark"),
        rectangle("rear", -0.98, 0.98, 0.46, 0.49, "shade"),
        rectangle("rear", -0.28, 0.28, 0.53, 0.64, "plate"),
        rectangle("rear", -0.98, -0.66, *tail, "tail"),
        rectangle("rear", 0.66, 0.98, *tail, "tail"),
        rectangle("rear", -0.60, -0.44, 0.26, 0.32, "chrome"),
    )
    return Box(profile, "body", panels, inset=0.07)


def _cabin(base: tuple[float, float], top: tuple[float, float], belt, roof) -> Box:
    """The glasshouse: windscreen, rear window and two windows a side.

    `base` and `top` are where it starts and ends at the belt and at the roof.
    """
    (back, front), (back_top, front_top) = base, top
    profile = (
        (back, belt), (front, belt), (front_top + 0.08, roof - 0.06),
        (front_top - 0.1, roof), (back_top + 0.1, roof), (back_top - 0.05, roof - 0.06),
    )  # fmt: skip
    low, high = belt + 0.03, roof - 0.11
    share = (high - belt) / (roof - belt)
    back_high = back + (back_top - back) * share + 0.10
    front_high = front + (front_top - front) * share - 0.08
    middle = (back + front) / 2 - 0.05
    rear_pane = ((back + 0.2, low), (middle, low), (middle, high), (back_high, high))
    front_pane = (
        (middle + 0.09, low), (front - 0.22, low), (front_high, high),
        (middle + 0.09, high),
    )  # fmt: skip
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
    boxes = (_body(length, belt, nose), _cabin(base, top, belt, roof))
    axles = (-0.30 * length, 0.31 * length)
    return Vehicle(name, "car", width, boxes, axles, 0.33, LIVERIES)


CARS = (
    _car("saloon", 4.6, 1.82, 0.92, 0.78, 1.46, (-1.85, 1.25), (-1.00, 0.40)),
    _car("hatchback", 4.0, 1.76, 0.94, 0.80, 1.50, (-1.92, 1.20), (-1.50, 0.40)),
    _car("estate", 4.7, 1.82, 0.94, 0.78, 1.50, (-2.25, 1.25), (-1.85, 0.40)),
    _car("off-roader", 4.5, 1.92, 1.06, 0.96, 1.74, (-2.12, 1.05), (-1.80, 0.35)),
    _car("van", 4.6, 1.92, 1.06, 0.96, 1.92, (-2.22, 1.55), (-2.05, 0.75)),
)
