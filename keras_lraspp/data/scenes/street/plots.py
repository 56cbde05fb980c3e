"""What stands on the plots beside the pavement, and what closes the view."""

import math
import random

from keras_lraspp.data.scenes.picture.canvas import Canvas, facing
from keras_lraspp.data.scenes.street.ground import KERB_HEIGHT
from keras_lraspp.data.scenes.street.plan import FAR, Plot, Side, Street
from keras_lraspp.data.scenes.things.barriers import draw_fence, draw_wall
from keras_lraspp.data.scenes.things.buildings import draw_house
from keras_lraspp.data.scenes.things.plants import draw_bush, draw_hedge, draw_tree


def draw_plots(canvas: Canvas, street: Street) -> None:
    """Paints both sides' plots, the far ones first."""
    for side in (street.left, street.right):
        for plot in reversed(side.plots):
            _draw_plot(canvas, side, plot)


def _draw_plot(canvas: Canvas, side: Side, plot: Plot) -> None:
    rng = random.Random(plot.seed)
    x = side.sign * side.edge
    if plot.kind == "house":
        draw_house(canvas, x, plot.start, plot.end, rng)
        return
    if rng.random() < 0.75:
        set_back = x + side.sign * rng.uniform(5.0, 8.0)
        draw_house(canvas, set_back, plot.start + 1.0, plot.end - 1.5, rng)
    spots = rng.randint(2, 3)
    for k in reversed(range(spots)):
        z = plot.start + (plot.end - plot.start) * (k + rng.uniform(0.3, 0.8)) / spots
        tree_x = x + side.sign * rng.uniform(2.0, 3.5)
        draw_tree(canvas, tree_x, z, rng)
    if plot.kind == "fence":
        for z in (plot.end - 2.5, plot.start + 3.0):
            if rng.random() < 0.5:
                draw_bush(canvas, x + side.sign * 1.5, z, rng)
        draw_fence(canvas, x, plot.start, plot.end, rng, KERB_HEIGHT)
    elif plot.kind == "wall":
        draw_wall(canvas, x, plot.start, plot.end, rng, KERB_HEIGHT)
    elif rng.random() < 0.5:
        draw_hedge(canvas, x + side.sign * 0.4, plot.start, plot.end, rng)
    else:
        draw_bush(canvas, x + side.sign * 1.2, (plot.start + plot.end) / 2, rng)


def draw_horizon(canvas: Canvas, street: Street, rng: random.Random) -> None:
    """Closes the view at the street's far end with houses and trees."""
    z = FAR + 30.0
    x = -150.0
    while x < 150.0:
        wide, high = rng.uniform(9.0, 18.0), rng.uniform(8.0, 20.0)
        colour = canvas.light.lit((190, 172, 150), (0, 0, -1))
        corners = ((x, 0, z), (x + wide, 0, z), (x + wide, high, z), (x, high, z))
        canvas.claim("building", canvas.face(corners, colour, facing(z), "plaster"))
        x += wide
    z = FAR + 6.0
    green = canvas.light.lit((60, 96, 44), (0, 0.6, -0.8))
    for _ in range(9):
        middle, radius = rng.uniform(-45.0, 45.0), rng.uniform(3.0, 5.0)
        crown = [
            (middle + radius * (1 + rng.uniform(-0.15, 0.15)) * math.cos(k / 3),
             max(0.0, radius * (0.9 + 1.1 * math.sin(k / 3))), z)
            for k in range(19)
        ]  # fmt: skip
        canvas.claim("vegetation", canvas.face(crown, green, facing(z), "leaves"))
