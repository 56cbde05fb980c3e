"""Procedural textures: noise, masonry, grass and leaves, and the sky."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_lraspp.street_scenes.camera import Light

_TILE = 512
# Width of the largest clumps in their tile, in pixels.
_CLUMP_PIXELS = 24
# Pixels of the cloudy tile to a metre.
_STAIN_SCALE = np.float32(12.0)


class _Texture(NamedTuple):
    """How a surface's brightness varies; all strengths are shares of it."""

    name: str
    grain: float = 0.0  # strength of noise as fine as the pixels
    clump: float = 0.0  # strength of smooth blobs
    clump_size: float = 1.0  # width of the blobs in metres
    stain: float = 0.0  # strength of cloudy variation over several metres
    # Pitch of bricks or slabs in metres, along and up (or away); (0, 0): no joints.
    unit: tuple[float, float] = (0.0, 0.0)
    bond: float = 0.0  # shift of every other course, as a share of the pitch
    joint: float = 0.0  # width of a joint in metres
    depth: float = 0.0  # how much darker a joint is; negative joints are lighter
    tone: float = 0.0  # strength of the difference from unit to unit


_TEXTURES = (
    _Texture("plain"),
    _Texture("asphalt", grain=0.06, clump=0.02, clump_size=0.5, stain=0.08),
    _Texture("slabs", grain=0.03, stain=0.05, unit=(0.75, 0.75), joint=0.035,
             depth=0.35, tone=0.06),
    _Texture("cobbles", grain=0.04, stain=0.06, unit=(0.22, 0.30), bond=0.5, joint=0.03,
             depth=0.35, tone=0.10),
    _Texture("grass", grain=0.13, clump=0.16, clump_size=0.30, stain=0.14),
    _Texture("leaves", grain=0.14, clump=0.36, clump_size=0.55, stain=0.08),
    _Texture("bark", grain=0.10, clump=0.20, clump_size=0.15),
    _Texture("plaster", grain=0.02, stain=0.05),
    _Texture("bricks", grain=0.03, stain=0.05, unit=(0.50, 0.17), bond=0.5, joint=0.03,
             depth=-0.25, tone=0.12),
    _Texture("stones", grain=0.05, stain=0.08, unit=(0.85, 0.38), bond=0.5, joint=0.05,
             depth=0.42, tone=0.18),
    _Texture("panels", grain=0.03, stain=0.10, unit=(2.0, 3.0), joint=0.06, depth=0.45),
)  # fmt: skip

TEXTURE_INDEX = {texture.name: index for index, texture in enumerate(_TEXTURES)}

# Columns of the table, indexed by texture.
_GRAIN, _CLUMP, _CLUMP_SIZE, _STAIN = np.array(
    [(row.grain, row.clump, row.clump_size, row.stain) for row in _TEXTURES], np.float32
).T
_JOINTS = np.array(
    [(*row.unit, row.bond, row.joint, row.depth, row.tone) for row in _TEXTURES],
    np.float32,
).T
_IS_JOINTED = np.array([max(row.unit) > 0 for row in _TEXTURES])


def texture_brightness(texture, s, t, s_span, t_span) -> np.ndarray:
    """How bright the textures are at some points of their planes, 1 on average.

    `texture` is uint8 (n,), an index of `TEXTURE_INDEX`; all others are float32 (n,):
    metres along the surface (`s`) and up it, or away (`t`), and how many metres a pixel
    spans in these directions. Returns float32 (n,).
    """
    white, clumps, cloudy = _noise_tiles()
    # Grain is alike at every scale: take the octaves with about one step a pixel.
    s_octave, t_octave = (np.exp2(-np.ceil(np.log2(span))) for span in (s_span, t_span))
    value = _GRAIN[texture] * _sample_tile(white, s * s_octave, t * t_octave)
    size = _CLUMP_SIZE[texture]
    fade = np.clip(size / np.maximum(t_span, s_span) - 0.7, 0.0, 1.0)
    scale = _CLUMP_PIXELS / size
    value += _CLUMP[texture] * fade * _sample_tile(clumps, s * scale, t * scale)
    value += _STAIN[texture] * _sample_tile(cloudy, s * _STAIN_SCALE, t * _STAIN_SCALE)
    value += 1.0
    jointed = np.flatnonzero(_IS_JOINTED[texture])
    if jointed.size:
        points = (column[jointed] for column in (texture, s, t, s_span, t_span))
        value[jointed] *= _masonry_brightness(*points)
    return np.maximum(value, 0.15, out=value)


def _masonry_brightness(texture, s, t, s_span, t_span) -> np.ndarray:
    """Joints between bricks or slabs, and their different tones."""
    pitch_s, pitch_t, bond, width, depth, tone = (column[texture] for column in _JOINTS)
    course = np.floor(t / pitch_t)
    shifted = s + (course % 2) * bond * pitch_s
    head_joints = joint_cover(shifted, pitch_s, width, s_span)
    bed_joints = joint_cover(t, pitch_t, width, t_span)
    cover = np.maximum(head_joints, bed_joints)
    unit = np.floor(shifted / pitch_s)
    fade = np.clip(pitch_t / t_span - 1.0, 0.0, 1.0)
    tones = _sample_tile(_noise_tiles()[0], unit * 7.0, course * 13.0)
    return (1.0 - depth * cover) * (1.0 + tone * fade * tones)


def joint_cover(position, pitch, width, footprint) -> np.ndarray:
    """Share of a pixel that the joints of a pattern cover, 0..1, without aliasing.

    All in metres: the position across the joints, their pitch and width, and what one
    pixel spans. Far away the share tends to the mean, `width / pitch`.
    """
    phase = position / pitch
    distance = (0.5 - np.abs(phase - np.floor(phase) - 0.5)) * pitch
    near = (0.5 * (width + footprint) - distance) / footprint
    near = np.clip(near, 0.0, np.minimum(1.0, width / footprint))
    blur = np.clip(2.0 * footprint / pitch - 0.5, 0.0, 1.0)
    return near + blur * (width / pitch - near)


@lru_cache(maxsize=1)
def _noise_tiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Square tiles of noise that repeat without a seam, the same in every process.

    Each is float32 (512, 512) with mean 0 and standard deviation 1: independent pixels,
    ragged blobs up to 24 pixels wide, and noise whose amplitude falls with frequency as
    that of clouds does.
    """
    random = np.random.Generator(np.random.PCG64(20240117))
    white = random.random((_TILE, _TILE)) - 0.5
    rows = np.fft.fftfreq(_TILE)[:, None] * _TILE
    columns = np.fft.rfftfreq(_TILE)[None, :] * _TILE
    frequency = np.hypot(rows, columns)
    spectrum = np.fft.rfft2(random.random((_TILE, _TILE)) - 0.5)
    safe = np.maximum(frequency, 1.0)
    clumps = np.where(frequency >= _TILE / 40, safe**-1.15, 0.0)
    cloudy = np.where(frequency > 0, safe**-1.5, 0.0)
    fields = [np.fft.irfft2(spectrum * s, s=white.shape) for s in (clumps, cloudy)]
    tiles = (white, *fields)
    return tuple(
        ((tile - tile.mean()) / tile.std()).astype(np.float32) for tile in tiles
    )


def _sample_tile(tile: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The values of a tile at positions in its pixels; it repeats for ever."""
    columns = s.astype(np.int32) & (_TILE - 1)
    rows = t.astype(np.int32) & (_TILE - 1)
    return tile.ravel()[rows * _TILE + columns]


def sky_colours(light: Light, right, above, offsets) -> np.ndarray:
    """Colours of the sky: gradient, clouds, glow around the sun; float32 (n, 3).

    `right` and `above` are directions, float32 (n,), in metres per metre ahead.
    """
    above = np.maximum(above, 0.0)
    low, top = (np.asarray(c, np.float32) for c in (light.sky_low, light.sky_top))
    colour = low + (top - low) * (1.0 - np.exp(-4.0 * above))[:, None]
    far = 70.0 / (above + 0.12)
    s, t = np.float32(9 * offsets[0]) + right * far, np.float32(9 * offsets[1]) + far
    cloud = _sample_tile(_noise_tiles()[2], s, t)
    density = np.clip((cloud + 2.6 * light.clouds - 1.6) * 1.1, 0.0, 1.0)
    density *= np.clip(above * 12.0, 0.0, 1.0) * (0.3 + 0.6 * light.clouds)
    bright = np.asarray(light.ambient, np.float32) + np.asarray(light.sun, np.float32)
    white = np.clip(228.0 * bright / bright.max() + 12.0 * cloud[:, None], 0, 250)
    colour += (white - colour) * density[:, None]
    sun_x, sun_y, sun_z = light.towards_sun
    if sun_z > 0.2:
        away = (right - sun_x / sun_z) ** 2 + (above - sun_y / sun_z) ** 2
        colour += (255.0 - colour) * (0.6 * light.shadow * np.exp(-4.0 * away))[:, None]
    return colour
