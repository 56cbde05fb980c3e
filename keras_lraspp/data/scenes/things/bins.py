"""Litter bins and letter boxes: what Cityscapes calls static and ignores."""

import random

from keras_lraspp.data.scenes.picture.canvas import Canvas
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.body import Body
from keras_lraspp.data.scenes.things.pose import Pose

COLOURS: tuple[Colour, ...] = (
    (60, 70, 66), (236, 190, 30), (90, 60, 50), (60, 80, 120),
)  # fmt: skip

_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def draw_bin(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """Paints a bin with its shadow and label."""
    body = Body(canvas, pose)
    colour = rng.choice(COLOURS)
    half, height = 0.26, rng.uniform(0.9, 1.3)
    inside = (0.0, height / 2, 0.0)
    base = [(half * a, 0.0, half * b) for a, b in _SQUARE]
    top = [(a, height, b) for a, _, b in base]
    for k in range(4):
        body.facet((base[k - 1], base[k], top[k], top[k - 1]), inside, colour)
    body.facet(top, inside, tuple(0.7 * part for part in colour))
    slot = [(-half, height - 0.3 + 0.08 * b, 0.6 * half * a) for a, b in _SQUARE]
    body.facet(slot, inside, (24, 24, 26), detail=True)
    body.cast(base, 0.6)
    body.cast([*base, *top])
    body.finish("static")
