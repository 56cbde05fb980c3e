"""One scene, from its seed to its picture and labels."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter

from keras_lraspp.street_scenes.camera import Camera, choose_light, picture_camera
from keras_lraspp.street_scenes.canvas import (
    SAMPLES,
    SKY_SURFACE,
    Canvas,
    Kind,
    SceneObject,
    Surface,
)
from keras_lraspp.street_scenes.placing import (
    add_pavements,
    add_traffic,
    draw_bonnet,
    draw_horizon,
    draw_plots,
    draw_wires,
)
from keras_lraspp.street_scenes.plan import Cast, draw_ground, plan_street
from keras_lraspp.street_scenes.textures import (
    CLUMP,
    TEXTURES,
    joint_cover,
    noise_tiles,
    sample_tile,
    sky_colours,
)

# Nothing is farther away than this, in metres.
_HORIZON = 1500.0


class SurfaceTable(NamedTuple):
    """All surfaces of a canvas, one row each.

    Attributes:
        colour: float32 (n, 3), 0..255.
        texture: uint8 (n,), index into `TEXTURES`.
        kind: uint8 (n,), a `Kind`.
        plane: float32 (3, n), the coefficients a, b and c of a `Plane`.
    """

    colour: np.ndarray
    texture: np.ndarray
    kind: np.ndarray
    plane: np.ndarray


def surface_table(surfaces: Sequence[Surface]) -> SurfaceTable:
    """Arrays of the surfaces' fields."""
    table = np.asarray(surfaces, np.float32)
    return SurfaceTable(
        table[:, :3],
        table[:, 3].astype(np.uint8),
        table[:, 4].astype(np.uint8),
        np.ascontiguousarray(table[:, 5:8].T),
    )


class View(NamedTuple):
    """The geometry of a strip of h rows of a picture w pixels wide.

    Attributes:
        surface: int32 (h, w), the surface seen.
        kind: uint8 (h, w), its `Kind`.
        right: float32 (w,), metres right of the axis, per metre of depth.
        above: float32 (h, 1), metres above the camera's eye, per metre of depth.
        depth: float32 (h, w), metres ahead.
    """

    surface: np.ndarray
    kind: np.ndarray
    right: np.ndarray
    above: np.ndarray
    depth: np.ndarray


def view_strip(
    camera: Camera, table: SurfaceTable, surface: np.ndarray, first_row: int
) -> View:
    """Finds where the surfaces in a strip that starts at `first_row` are."""
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
    np.clip(inverse, 1.0 / _HORIZON, 1.0, out=inverse)
    return View(surface, table.kind[surface], right, above, np.reciprocal(inverse))


_GRAIN, _CLUMP, _CLUMP_SIZE, _STAIN = np.array(
    [(row.grain, row.clump, row.clump_size, row.stain) for row in TEXTURES], np.float32
).T
_JOINTS = np.array(
    [(*row.unit, row.bond, row.joint, row.depth, row.tone) for row in TEXTURES],
    np.float32,
).T
_IS_JOINTED = np.array([max(row.unit) > 0 for row in TEXTURES])

# Pixels of the cloudy tile to a metre.
_STAIN_SCALE = np.float32(12.0)


def texture_shade(
    camera: Camera, table: SurfaceTable, view: View, offsets: tuple[float, float]
) -> np.ndarray:
    """How bright each pixel's texture is, 1 on average: float32 (h, w).

    `offsets` (metres) move the patterns, so that no two scenes share them.
    """
    shade = np.ones(view.surface.shape, np.float32)
    textured = np.flatnonzero(table.texture[view.surface])
    surface = view.surface.ravel()[textured]
    depth = view.depth.ravel()[textured]
    kind = table.kind[surface]
    row, column = np.divmod(textured, view.surface.shape[1])
    is_along, is_ground = kind == Kind.ALONG, kind == Kind.GROUND
    height = np.float32(camera.eye) + view.above[row, 0] * depth
    s = np.where(is_along, depth, view.right[column] * depth) + np.float32(offsets[0])
    t = np.where(is_ground, depth + np.float32(offsets[1]), height)
    # What a pixel spans across the line of sight, and on a plane that recedes.
    across = depth / np.float32(camera.focal)
    tilt = np.abs(table.plane[0]) + np.abs(table.plane[1])
    receding = np.maximum(across, across * depth * tilt[surface])
    s_span = np.where(is_along, receding, across)
    t_span = np.where(is_ground, receding, across)
    shade.ravel()[textured] = _texture(table.texture[surface], s, t, s_span, t_span)
    return shade


def _texture(rows, s, t, s_span, t_span) -> np.ndarray:
    white, clumps, cloudy = noise_tiles()
    # Grain is alike at every scale: take the octaves with about one step a pixel.
    s_octave, t_octave = (np.exp2(-np.ceil(np.log2(span))) for span in (s_span, t_span))
    value = _GRAIN[rows] * sample_tile(white, s * s_octave, t * t_octave)
    size = _CLUMP_SIZE[rows]
    fade = np.clip(size / np.maximum(t_span, s_span) - 0.7, 0.0, 1.0)
    scale = CLUMP / size
    value += _CLUMP[rows] * fade * sample_tile(clumps, s * scale, t * scale)
    value += _STAIN[rows] * sample_tile(cloudy, s * _STAIN_SCALE, t * _STAIN_SCALE)
    value += 1.0
    jointed = np.flatnonzero(_IS_JOINTED[rows])
    if jointed.size:
        value[jointed] *= _joints(
            rows[jointed], s[jointed], t[jointed], s_span[jointed], t_span[jointed]
        )
    return np.maximum(value, 0.15, out=value)


def _joints(rows, s, t, s_span, t_span) -> np.ndarray:
    pitch_s, pitch_t, bond, width, depth, tone = (column[rows] for column in _JOINTS)
    course = np.floor(t / pitch_t)
    shifted = s + (course % 2) * bond * pitch_s
    cover = np.maximum(
        joint_cover(shifted, pitch_s, width, s_span),
        joint_cover(t, pitch_t, width, t_span),
    )
    unit = np.floor(shifted / pitch_s)
    fade = np.clip(pitch_t / t_span - 1.0, 0.0, 1.0)
    tones = sample_tile(noise_tiles()[0], unit * 7.0, course * 13.0)
    return (1.0 - depth * cover) * (1.0 + tone * fade * tones)


class Sensor(NamedTuple):
    """How one scene was photographed.

    Attributes:
        exposure: Factor of all values.
        vignette: Share of the light lost at the middle of each edge.
        contrast: Factor of the distance from middle grey.
        lift: Added to all values.
        blur: Radius in pixels of a picture 1024 wide or less; wider ones scale it.
        noise: Standard deviation of the noise, in values of 0..255.
        seed: Seed of the noise.
    """

    exposure: float
    vignette: float
    contrast: float
    lift: float
    blur: float
    noise: float
    seed: int


def choose_sensor(rng: random.Random) -> Sensor:
    """Draws the camera's settings for one scene."""
    return Sensor(
        exposure=rng.uniform(0.94, 1.14),
        vignette=rng.uniform(0.02, 0.10),
        contrast=rng.uniform(0.95, 1.10),
        lift=rng.uniform(-2.0, 10.0),
        blur=rng.uniform(0.1, 0.6),
        noise=rng.uniform(1.0, 4.5),
        seed=rng.getrandbits(32),
    )


def expose(pixels: np.ndarray, sensor: Sensor) -> np.ndarray:
    """Turns light, float32 (height, width, 3), into the picture's uint8 values.

    `pixels` is overwritten.
    """
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


# Pixels developed at once: the arrays of a strip stay in the processor's cache.
_STRIP = 32768


def develop(canvas: Canvas, rng: random.Random) -> np.ndarray:
    """Colours the canvas; returns uint8 (height, width, 3)."""
    table = surface_table(canvas.surfaces)
    samples = np.asarray(canvas.surface_image)
    blur = ImageFilter.BoxBlur(canvas.width / 700)
    shadow = np.asarray(canvas.shadow_mask().filter(blur))
    offsets = (rng.uniform(0, 500), rng.uniform(0, 500))
    pixels = np.empty((canvas.height, canvas.width, 3), np.float32)
    for first, last in _strips(canvas.height, canvas.width):
        part = samples[first * SAMPLES : last * SAMPLES]
        pixels[first:last] = _develop_strip(
            canvas, table, part, shadow[first:last], first, offsets
        )
    return expose(pixels, choose_sensor(rng))


def _strips(height: int, width: int) -> Iterator[tuple[int, int]]:
    rows = max(1, _STRIP // width)
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def _develop_strip(
    canvas: Canvas, table: SurfaceTable, samples, shadow, first_row: int, offsets
) -> np.ndarray:
    pixels, cover = _mean_colours(table, samples)
    # One sample, of a body if there is any, says where in the world a pixel lies.
    seen = samples[SAMPLES // 2 :: SAMPLES, ::SAMPLES]
    other = samples[::SAMPLES, SAMPLES // 2 :: SAMPLES]
    seen = np.where(seen == SKY_SURFACE, other, seen)
    view = view_strip(canvas.view, table, seen, first_row)
    shade = texture_shade(canvas.view, table, view, offsets)
    np.multiply(shade, 1.0 - shadow / np.float32(255), out=shade,
                where=view.kind == Kind.GROUND)  # fmt: skip
    clear = np.exp(view.depth * np.float32(-canvas.light.haze))
    shade *= clear
    pixels *= shade[..., None]
    haze = np.asarray(canvas.light.sky_low, np.float32) * np.float32(0.94)
    pixels += (cover * (1.0 - clear))[..., None] * haze
    _add_sky(pixels, cover, canvas, view, offsets)
    return pixels


def _mean_colours(
    table: SurfaceTable, samples: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The samples' mean colour, the sky being black, and the share that is not sky."""
    colours = np.clip(table.colour + 0.5, 0, 255).astype("<u4")
    packed = colours[:, 0] | colours[:, 1] << 8 | colours[:, 2] << 16 | 255 << 24
    packed[SKY_SURFACE] = 0
    size = samples.shape[::-1]
    picture = packed[samples].tobytes()
    image = Image.frombuffer("RGBX", size, picture, "raw", "RGBX", 0, 1)
    mean = np.asarray(image.reduce(SAMPLES)).astype(np.float32)
    return mean[..., :3], mean[..., 3] / np.float32(255)


def _add_sky(pixels, cover, canvas: Canvas, view: View, offsets) -> None:
    sky = np.flatnonzero(cover < 1.0)
    row, column = np.divmod(sky, canvas.width)
    colours = sky_colours(canvas.light, view.right[column], view.above[row, 0], offsets)
    share = 1.0 - cover.ravel()[sky]
    pixels[row, column] += colours * share[:, None]


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
