"""Buses: tall, yellow, with a band of windows and doors to the right."""

from keras_lraspp.data.scenes.things.vehicle_parts import Box, Panel, Vehicle, rectangle

LIVERIES = (
    {"body": (238, 178, 20), "skirt": (120, 84, 20)},
    {"body": (240, 192, 44), "skirt": (60, 60, 64)},
    {"body": (228, 162, 24), "skirt": (232, 228, 220)},
)

# Metres from one window to the next.
_PITCH = 1.45


def _sides(end: float, top: float) -> tuple[Panel, ...]:
    windows = int((2 * end - 1.2) / _PITCH)
    pane = (-end + 0.25, -end + 1.50)
    return (
        rectangle("side", -end, end, 0.35, 0.72, "skirt"),
        rectangle("side", -end + 0.1, end - 0.15, 1.25, top, "glass"),
        rectangle(
            "side", *pane, 1.95, top - 0.08, "sheen", count=windows, pitch=_PITCH,
        ),
        rectangle(
            "side", pane[1] + 0.02, pane[1] + 0.12, 1.25, top, "dark",
            count=windows, pitch=_PITCH,
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
    panels = _sides(end, top) + _front(top, height) + _rear(top, height)
    coach = Box(profile, "body", panels, inset=0.08)
    unit = (
        (-end * 0.5, height), (0.2, height), (0.0, height + 0.28),
        (-end * 0.45, height + 0.28),
    )  # fmt: skip
    roof = Box(unit, "skirt", half_width=0.7, level=-1)
    axles = (-end * 0.52, end - 2.4)
    return Vehicle(name, "bus", 2.52, (coach, roof), axles, 0.48, LIVERIES)


BUSES = (_bus("city bus", 11.0, 3.05), _bus("midibus", 8.4, 2.95))
