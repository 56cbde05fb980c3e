"""What hangs above the street and what the camera sees of its own car."""

import random

from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.street.plan import FAR, Street

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
