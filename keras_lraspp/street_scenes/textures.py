"""What surfaces are made of: grain, clumps, stains and joints, in metres."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from keras_lraspp.street_scenes.camera import Light

TILE = 512

# Width of the largest clumps in their tile, in pixels.
CLUMP = 24


class Texture(NamedTuple):
    """How a surface's brightness varies; all strengths are shares of it.

    Attributes:
        name: The texture's name.
        grain: Strength of noise as fine as the pixels.
        clump: Strength of smooth blobs of `clump_size` metres.
        clump_size: See `clump`.
        stain: Strength of cloudy variation over several metres.
        unit: Pitch of the bricks or slabs in metres, along the surface and up (or
            away); (0, 0) means that there are no joints.
        bond: Shift of every other course, as a share of the pitch.
        joint: Width of a joint in metres.
        depth: How much darker a joint is; negative joints are lighter.
        tone: Strength of the difference from unit to unit.
    """

    name: str
    grain: float = 0.0
    clump: float = 0.0
    clump_size: float = 1.0
    stain: float = 0.0
    unit: tuple[float, float] = (0.0, 0.0)
    bond: float = 0.0
    joint: float = 0.0
    depth: float = 0.0
    tone: float = 0.0


TEXTURES = (
    Texture("plain"),
    Texture("asphalt", grain=0.06, clump=0.02, clump_size=0.5, stain=0.08),
    Texture(
        "slabs", grain=0.03, stain=0.05, unit=(0.75, 0.75), joint=0.035, depth=0.35,
        tone=0.06,
    ),
    Texture(
        "cobbles", grain=0.04, stain=0.06, unit=(0.22, 0.30), bond=0.5, joint=0.03,
        depth=0.35, tone=0.10,
    ),
    Texture("grass", grain=0.13, clump=0.16, clump_size=0.30, stain=0.14),
    Texture("soil", grain=0.10, clump=0.12, clump_size=0.5, stain=0.12),
    Texture("leaves", grain=0.14, clump=0.36, clump_size=0.55, stain=0.08),
    Texture("bark", grain=0.10, clump=0.20, clump_size=0.15),
    Texture("plaster", grain=0.02, stain=0.05),
    Texture(
        "bricks", grain=0.03, stain=0.05, unit=(0.50, 0.17), bond=0.5, joint=0.03,
        depth=-0.25, tone=0.12,
    ),
    Texture(
        "stones", grain=0.05, stain=0.08, unit=(0.85, 0.38), bond=0.5, joint=0.05,
        depth=0.42, tone=0.18,
    ),
    Texture("panels", grain=0.03, stain=0.10, unit=(2.0, 3.0), joint=0.06, depth=0.45),
    Texture("tiles", grain=0.04, unit=(0.3, 0.3), bond=0.5, joint=0.05, depth=0.3),
)  # fmt: skip

TEXTURE_INDEX = {texture.name: index for index, texture in enumerate(TEXTURES)}


@lru_cache(maxsize=1)
def noise_tiles() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Square tiles of noise that repeat without a seam, the same in every process.

    Returns:
        `(white, clumps, cloudy)`, each float32 (512, 512) with mean 0 and standard
        deviation 1: independent pixels, ragged blobs up to 24 pixels wide, and noise
        whose amplitude falls with frequency as that of clouds does.
    """
    random = np.random.Generator(np.random.PCG64(20240117))
    white = random.random((TILE, TILE)) - 0.5
    rows = np.fft.fftfreq(TILE)[:, None] * TILE
    columns = np.fft.rfftfreq(TILE)[None, :] * TILE
    frequency = np.hypot(rows, columns)
    spectrum = np.fft.rfft2(random.random((TILE, TILE)) - 0.5)
    safe = np.maximum(frequency, 1.0)
    clumps = np.where(frequency >= TILE / 40, safe**-1.15, 0.0)
    cloudy = np.where(frequency > 0, safe**-1.5, 0.0)
    tiles = [white] + [
        np.fft.irfft2(spectrum * strength, s=(TILE, TILE))
        for strength in (clumps, cloudy)
    ]
    return tuple(
        ((tile - tile.mean()) / tile.std()).astype(np.float32) for tile in tiles
    )


def sample_tile(tile: np.ndarray, s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The values of a tile at positions in its pixels; it repeats for ever."""
    columns = s.astype(np.int32) & (TILE - 1)
    rows = t.astype(np.int32) & (TILE - 1)
    return tile.ravel()[rows * TILE + columns]


def joint_cover(
    along: np.ndarray, pitch: np.ndarray, width: np.ndarray, footprint: np.ndarray
) -> np.ndarray:
    """How much of a pixel the joints of a pattern cover, without aliasing.

    Args:
        along: Position across the joints, in metres.
        pitch: Distance from joint to joint.
        width: Width of a joint in metres.
        footprint: What one pixel spans across the joints, in metres.

    Returns:
        Share of the pixel, 0..1; far away it tends to the mean, `width / pitch`.
    """
    phase = along / pitch
    distance = (0.5 - np.abs(phase - np.floor(phase) - 0.5)) * pitch
    near = (0.5 * (width + footprint) - distance) / footprint
    near = np.clip(near, 0.0, np.minimum(1.0, width / footprint))
    blur = np.clip(2.0 * footprint / pitch - 0.5, 0.0, 1.0)
    return near + blur * (width / pitch - near)


def sky_colours(
    light: Light, right: np.ndarray, above: np.ndarray, offsets: tuple[float, float]
) -> np.ndarray:
    """The colours of the sky in some directions.

    Args:
        light: The scene's light.
        right: float32 (n,), metres to the right per metre ahead.
        above: float32 (n,), metres up per metre ahead; below the horizon counts as on
            it.
        offsets: Moves the clouds.

    Returns:
        float32 (n, 3), 0..255.
    """
    above = np.maximum(above, 0.0)
    low, top = (np.asarray(c, np.float32) for c in (light.sky_low, light.sky_top))
    colour = low + (top - low) * (1.0 - np.exp(-4.0 * above))[:, None]
    far = 70.0 / (above + 0.12)
    cloud = sample_tile(
        noise_tiles()[2],
        np.float32(9 * offsets[0]) + right * far,
        np.float32(9 * offsets[1]) + far,
    )
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
