"""Posts on the pavement: street lamps, and the posts that carry other things."""

import math
import random

from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.picture.light import Colour
from keras_lraspp.data.scenes.things.pose import Pose

POLES: tuple[Colour, ...] = (
    (132, 136, 140), (150, 152, 152), (112, 118, 122), (124, 128, 126),
)  # fmt: skip

# What faces the camera and leans back a little.
TOWARDS = (0.0, 0.25, -0.97)


def draw_post(
    canvas: Canvas,
    x: float,
    z: float,
    low: float,
    high: float,
    radius: float,
    colour: Colour,
) -> None:
    """A round post: a dark and a bright half, and its label."""
    lit = canvas.light.lit(colour, TOWARDS)
    corners = (
        (x - radius, low, z), (x + radius, low, z), (x + 0.85 * radius, high, z),
        (x - 0.85 * radius, high, z),
    )  # fmt: skip
    outline = canvas.face(corners, tuple(0.80 * c for c in lit), facing(z))
    side = math.copysign(1.0, canvas.light.towards_sun[0])
    bright = (
        (x, low, z), (x + side * 0.8 * radius, low, z),
        (x + side * 0.7 * radius, high, z), (x, high, z),
    )  # fmt: skip
    canvas.face(bright, tuple(1.15 * c for c in lit), facing(z))
    canvas.claim("pole", outline)
    canvas.cast([(x - radius, 0, z), (x + radius, 0, z), (x, high, z)])


def draw_lamp(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """A street lamp whose arm reaches over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour, height = rng.choice(POLES), rng.uniform(6.0, 8.0)
    radius = rng.uniform(0.10, 0.15)
    draw_post(canvas, x, z, level, height, radius, colour)
    reach = -math.copysign(rng.uniform(1.2, 2.0), x)
    lit = canvas.light.lit(colour, TOWARDS)
    arm = (
        (0.0, -0.09), (reach, 0.30), (reach, 0.42), (0.0, 0.09),
    )  # fmt: skip
    head = (
        (0.8 * reach, 0.22), (1.35 * reach, 0.36), (1.3 * reach, 0.52),
        (0.8 * reach, 0.42),
    )  # fmt: skip
    for shape, tone in ((arm, 1.0), (head, 0.7)):
        corners = [(x + right, height + up, z) for right, up in shape]
        outline = canvas.face(corners, tuple(tone * c for c in lit), facing(z))
        canvas.claim("pole", outline)
    foot = 1.7 * radius
    base = ((x - foot, level, z), (x + foot, level, z), (x + foot, level + 0.9, z),
            (x - foot, level + 0.9, z))  # fmt: skip
    canvas.claim("pole", canvas.face(base, tuple(0.9 * c for c in lit), facing(z)))
