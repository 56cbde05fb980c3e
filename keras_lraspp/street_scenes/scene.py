"""Street scene from a seed: image, label ids and object outlines."""

from dataclasses import dataclass
from random import Random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from keras_lraspp.street_scenes.camera import Camera, choose_light, place_camera
from keras_lraspp.street_scenes.canvas import (
    SKY_SURFACE,
    SUPERSAMPLING,
    Canvas,
    Orientation,
    SceneObject,
)
from keras_lraspp.street_scenes.population import Population, add_pavements, add_traffic
from keras_lraspp.street_scenes.scenery import draw_building_lots, draw_horizon
from keras_lraspp.street_scenes.street import draw_ground, draw_wires, plan_street
from keras_lraspp.street_scenes.textures import sky_colours, texture_brightness
from keras_lraspp.street_scenes.vehicles import draw_ego_bonnet

# Nothing is farther away than this, in metres.
_FARTHEST = 1500.0

# Pixels rendered at once: the arrays of a strip stay in the processor's cache.
_STRIP_PIXELS = 32768


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
    rng = Random(seed)
    zoom, pan = rng.uniform(0.74, 0.86), rng.uniform(0.46, 0.60)
    tilt, eye = rng.uniform(0.38, 0.46), rng.uniform(1.35, 1.75)
    camera = place_camera(height, width, zoom=zoom, pan=pan, tilt=tilt, eye=eye)
    light, street = choose_light(rng), plan_street(rng)
    population = Population(street, rng)
    add_traffic(population)
    add_pavements(population)
    canvas = Canvas(camera, light, height, width)
    right, bottom = canvas.label_image.size
    canvas.annotate("sky", [(0, 0), (right, 0), (right, bottom), (0, bottom)])
    draw_horizon(canvas, Random(rng.getrandbits(32)))
    draw_ground(canvas, street, Random(rng.getrandbits(32)))
    draw_building_lots(canvas, street)
    draw_wires(canvas, street)
    for actor in population.in_order():
        actor.draw(canvas, actor.pose, rng=Random(actor.seed))
    draw_ego_bonnet(canvas, Random(rng.getrandbits(32)))
    image = render_image(canvas, Random(rng.getrandbits(32)))
    return Scene(image=image, label_ids=canvas.label_ids(), objects=canvas.objects)


def render_image(canvas: Canvas, rng: Random) -> np.ndarray:
    """Adds colour, texture, shadow, haze and sky; returns uint8 (height, width, 3)."""
    table = _surface_table(canvas)
    samples = np.asarray(canvas.surface_image)
    blur = ImageFilter.BoxBlur(canvas.width / 700)
    shadow = np.asarray(canvas.shadow_mask().filter(blur))
    offsets = (rng.uniform(0, 500), rng.uniform(0, 500))
    pixels = np.empty((canvas.height, canvas.width, 3), np.float32)
    rows = max(1, _STRIP_PIXELS // canvas.width)
    for first in range(0, canvas.height, rows):
        last = first + rows
        strip = samples[first * SUPERSAMPLING : last * SUPERSAMPLING]
        pixels[first:last] = _render_strip(
            canvas, table, strip, shadow[first:last], first, offsets
        )
    return _expose(pixels, choose_sensor(rng))


class _SurfaceTable(NamedTuple):
    """All n surfaces of a canvas, one row each."""

    colour: np.ndarray  # float32 (n, 3), 0..255
    texture: np.ndarray  # uint8 (n,), as in TEXTURE_INDEX
    orientation: np.ndarray  # uint8 (n,), an Orientation
    plane: np.ndarray  # float32 (3, n), the coefficients a, b and c of a Plane


def _surface_table(canvas: Canvas) -> _SurfaceTable:
    table = np.asarray(canvas.surfaces, np.float32)
    texture, orientation = table[:, 3:5].T.astype(np.uint8)
    plane = np.ascontiguousarray(table[:, 5:8].T)
    return _SurfaceTable(table[:, :3], texture, orientation, plane)


def _render_strip(canvas: Canvas, table, samples, shadow, first_row, offsets):
    """Light of some rows, float32 (h, w, 3); `offsets` (metres) move the patterns."""
    pixels, cover = _mean_colours(table, samples)
    # One sample, of a body if there is any, says where in the world a pixel lies.
    seen = samples[SUPERSAMPLING // 2 :: SUPERSAMPLING, ::SUPERSAMPLING]
    other = samples[::SUPERSAMPLING, SUPERSAMPLING // 2 :: SUPERSAMPLING]
    seen = np.where(seen == SKY_SURFACE, other, seen)
    view = _view_strip(canvas.image_camera, table, seen, first_row)
    right, above, depth = view
    shade = _texture_shade(canvas.image_camera, table, seen, view, offsets)
    is_ground = table.orientation[seen] == Orientation.GROUND
    np.multiply(shade, 1.0 - shadow / np.float32(255), out=shade, where=is_ground)
    clear = np.exp(depth * np.float32(-canvas.light.haze))
    shade *= clear
    pixels *= shade[..., None]
    haze = np.asarray(canvas.light.sky_low, np.float32) * np.float32(0.94)
    pixels += (cover * (1.0 - clear))[..., None] * haze
    sky = np.flatnonzero(cover < 1.0)
    row, column = np.divmod(sky, canvas.width)
    colours = sky_colours(canvas.light, right[column], above[row, 0], offsets)
    pixels[row, column] += colours * (1.0 - cover.ravel()[sky])[:, None]
    return pixels


def _mean_colours(table: _SurfaceTable, samples) -> tuple[np.ndarray, np.ndarray]:
    """The samples' mean colour, the sky being black, and the share that is not sky."""
    colours = np.clip(table.colour + 0.5, 0, 255).astype("<u4")
    packed = colours[:, 0] | colours[:, 1] << 8 | colours[:, 2] << 16 | 255 << 24
    packed[SKY_SURFACE] = 0
    size = samples.shape[::-1]
    picture = packed[samples].tobytes()
    image = Image.frombuffer("RGBX", size, picture, "raw", "RGBX", 0, 1)
    mean = np.asarray(image.reduce(SUPERSAMPLING)).astype(np.float32)
    return mean[..., :3], mean[..., 3] / np.float32(255)


def _view_strip(camera: Camera, table: _SurfaceTable, surface, first_row: int):
    """Finds where the surfaces in a strip of h rows that starts at `first_row` are.

    Returns metres right of the axis (w,) and above the eye (h, 1), both per metre of
    depth, and the depth (h, w) in metres.
    """
    height, width = surface.shape
    columns = np.arange(0.5, width, dtype=np.float32)
    rows = first_row + np.arange(0.5, height, dtype=np.float32)[:, None]
    right = (columns - np.float32(camera.centre)) / np.float32(camera.focal)
    above = (np.float32(camera.horizon) - rows) / np.float32(camera.focal)
    a, b, c = table.plane
    inverse = a[surface] * right
    inverse += b[surface] * above
    inverse += c[surface]
    # At an edge, the pixel's middle may lie just beside the surface that was sampled.
    np.clip(inverse, 1.0 / _FARTHEST, 1.0, out=inverse)
    return right, above, np.reciprocal(inverse)


def _texture_shade(camera: Camera, table: _SurfaceTable, seen, view, offsets):
    """How bright each pixel's texture is, 1 on average: float32 (h, w)."""
    right, above, depth = view
    shade = np.ones(seen.shape, np.float32)
    textured = np.flatnonzero(table.texture[seen])
    surface, depth = seen.ravel()[textured], depth.ravel()[textured]
    orientation = table.orientation[surface]
    row, column = np.divmod(textured, seen.shape[1])
    is_along = orientation == Orientation.ALONG
    is_ground = orientation == Orientation.GROUND
    height = np.float32(camera.eye) + above[row, 0] * depth
    s = np.where(is_along, depth, right[column] * depth) + np.float32(offsets[0])
    t = np.where(is_ground, depth + np.float32(offsets[1]), height)
    # What a pixel spans across the line of sight, and on a plane that recedes.
    across = depth / np.float32(camera.focal)
    tilt = np.abs(table.plane[0]) + np.abs(table.plane[1])
    receding = np.maximum(across, across * depth * tilt[surface])
    s_span = np.where(is_along, receding, across)
    t_span = np.where(is_ground, receding, across)
    brightness = texture_brightness(table.texture[surface], s, t, s_span, t_span)
    shade.ravel()[textured] = brightness
    return shade


class Sensor(NamedTuple):
    """Camera settings of one scene."""

    exposure: float  # factor of all values
    vignette: float  # share of the light lost at the middle of each edge
    contrast: float  # factor of the distance from middle grey
    lift: float  # added to all values
    blur: float  # radius in pixels of a picture 1024 wide or less; wider ones scale it
    noise: float  # standard deviation of the noise, in values of 0..255
    seed: int  # of the noise


def choose_sensor(rng: Random) -> Sensor:
    """Draws the camera's settings at random."""
    return Sensor(
        exposure=rng.uniform(0.94, 1.14),
        vignette=rng.uniform(0.02, 0.10),
        contrast=rng.uniform(0.95, 1.10),
        lift=rng.uniform(-2.0, 10.0),
        blur=rng.uniform(0.1, 0.6),
        noise=rng.uniform(1.0, 4.5),
        seed=rng.getrandbits(32),
    )


def _expose(pixels: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Turns light, float32 (height, width, 3), into uint8; overwrites `pixels`."""
    height, width, _ = pixels.shape
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None] ** 2
    x = np.linspace(-1, 1, width, dtype=np.float32) ** 2
    gain = sensor.exposure * sensor.contrast
    pixels *= (gain * (1.0 - sensor.vignette * (x + y)))[..., None]
    pixels += 118.0 * (1.0 - sensor.contrast) + sensor.lift
    np.clip(pixels, 0.0, 255.0, out=pixels)
    image = Image.fromarray(pixels.astype(np.uint8))
    image = image.filter(ImageFilter.BoxBlur(sensor.blur * max(1.0, width / 1024)))
    random_bits = np.random.Generator(np.random.SFC64(sensor.seed))
    random_bits.random(dtype=np.float32, out=pixels)
    # A uniform value's standard deviation is 1 / sqrt(12).
    spread = sensor.noise * 3.4641
    pixels *= spread
    pixels += np.asarray(image)
    pixels += 0.5 - 0.5 * spread
    return np.clip(pixels, 0.0, 255.0, out=pixels).astype(np.uint8)
