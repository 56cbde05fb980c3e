"""One scene, from its seed to its picture and labels."""

import random
from dataclasses import dataclass

import numpy as np

from keras_lraspp.data.scenes.picture.camera import picture_camera
from keras_lraspp.data.scenes.picture.canvas import Canvas, SceneObject
from keras_lraspp.data.scenes.picture.develop import develop
from keras_lraspp.data.scenes.picture.light import choose_light
from keras_lraspp.data.scenes.street.cast import Cast
from keras_lraspp.data.scenes.street.ground import draw_ground
from keras_lraspp.data.scenes.street.overhead import draw_bonnet, draw_wires
from keras_lraspp.data.scenes.street.pavement import add_pavements
from keras_lraspp.data.scenes.street.plan import plan_street
from keras_lraspp.data.scenes.street.plots import draw_horizon, draw_plots
from keras_lraspp.data.scenes.street.traffic import add_traffic


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A drawn street scene.

    Attributes:
        image: uint8 (height, width, 3), RGB.
        label_ids: uint8 (height, width), Cityscapes label ids.
        objects: Labels and outlines in pixels, from the back to the front.
    """

    image: np.ndarray
    label_ids: np.ndarray
    objects: list[SceneObject]


def draw_scene(seed: int, height: int, width: int) -> Scene:
    """Draws a street scene; the same arguments give the same pixels.

    Args:
        seed: Which scene. Drawn at another size it is the same street.
        height: Rows, at least 64.
        width: Columns, at least 64; height to three times the height looks best.
    """
    rng = random.Random(seed)
    camera = picture_camera(
        height,
        width,
        zoom=rng.uniform(0.74, 0.86),
        pan=rng.uniform(0.46, 0.60),
        tilt=rng.uniform(0.38, 0.46),
        eye=rng.uniform(1.35, 1.75),
    )
    light, street = choose_light(rng), plan_street(rng)
    cast = Cast(street, rng)
    add_traffic(cast)
    add_pavements(cast)
    canvas = Canvas(camera, light, height, width)
    samples_wide, samples_high = canvas.label_image.size
    canvas.claim(
        "sky",
        [(0, 0), (samples_wide, 0), (samples_wide, samples_high), (0, samples_high)],
    )
    draw_horizon(canvas, street, random.Random(rng.getrandbits(32)))
    draw_ground(canvas, street, random.Random(rng.getrandbits(32)))
    draw_plots(canvas, street)
    draw_wires(canvas, street)
    for actor in cast.in_order():
        actor.draw(canvas, actor.pose, rng=random.Random(actor.seed))
    draw_bonnet(canvas, random.Random(rng.getrandbits(32)))
    image = develop(canvas, random.Random(rng.getrandbits(32)))
    return Scene(image=image, label_ids=canvas.label_ids(), objects=canvas.objects)
