"""Traffic lights, on posts and on arms over the road."""

import math
import random

from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.things.pose import Pose
from keras_lraspp.data.scenes.things.posts import POLES, TOWARDS, draw_post
from keras_lraspp.data.scenes.things.signs import DISC, SQUARE, draw_flat


def draw_traffic_light(canvas: Canvas, pose: Pose, rng: random.Random) -> None:
    """A post with a signal head, often a second one on an arm over the road."""
    x, z, level = pose.x, pose.z, pose.level
    colour = rng.choice(POLES)
    state = rng.choice((0, 0, 1, 2, 2))
    arm = rng.random() < 0.55
    height = 5.9 if arm else 3.4
    draw_post(canvas, x, z, level, level + height, 0.10 if arm else 0.08, colour)
    if arm:
        reach = -math.copysign(rng.uniform(2.2, 3.4), x)
        lit = canvas.light.lit(colour, TOWARDS)
        beam = ((x, level + 5.6, z), (x + reach, level + 5.7, z),
                (x + reach, level + 5.83, z), (x, level + 5.8, z))  # fmt: skip
        canvas.claim("pole", canvas.face(beam, lit, facing(z)))
        _signal_head(canvas, x + reach, level + 5.1, z, state)
    _signal_head(canvas, x, level + 2.9, z, state)


def _signal_head(canvas: Canvas, x, y, z, state: int) -> None:
    half, tall = 0.24, 0.66
    outline = canvas.face(
        [(x + half * 1.35 * a, y + tall * 1.10 * b, z) for a, b in SQUARE],
        canvas.light.lit((236, 236, 230), TOWARDS),
        facing(z),
    )
    canvas.face(
        [(x + half * 1.15 * a, y + tall * 1.03 * b, z) for a, b in SQUARE],
        canvas.light.lit((20, 22, 22), TOWARDS), facing(z),
    )  # fmt: skip
    lamps = ((255, 44, 30), (255, 186, 30), (40, 250, 140))
    for index, colour in enumerate(lamps):
        glow = colour if index == state else tuple(0.22 * part for part in colour)
        draw_flat(canvas, DISC, x, y + (1 - index) * 0.42, z, 0.18, glow)
    canvas.claim("traffic light", outline)
