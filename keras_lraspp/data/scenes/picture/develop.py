"""From the painted canvas to a photograph: colour, texture, shadow, haze, sky."""

import random
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageFilter

from keras_lraspp.data.scenes.picture.canvas import SAMPLES, SKY_SURFACE, Canvas, Kind
from keras_lraspp.data.scenes.picture.sensor import choose_sensor, expose
from keras_lraspp.data.scenes.picture.sky import sky_colours
from keras_lraspp.data.scenes.picture.texturing import texture_shade
from keras_lraspp.data.scenes.picture.view import (
    SurfaceTable,
    View,
    surface_table,
    view_strip,
)

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
