"""Textures, laid onto every surface in its own coordinates."""

import numpy as np

from keras_lraspp.data.scenes.picture.camera import Camera
from keras_lraspp.data.scenes.picture.canvas import Kind
from keras_lraspp.data.scenes.picture.textures import (
    CLUMP,
    TEXTURES,
    joint_cover,
    noise_tiles,
    sample_tile,
)
from keras_lraspp.data.scenes.picture.view import SurfaceTable, View

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
