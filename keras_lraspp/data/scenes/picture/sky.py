"""The sky: a gradient, clouds that recede, the glow around the sun."""

import numpy as np

from keras_lraspp.data.scenes.picture.light import Light
from keras_lraspp.data.scenes.picture.textures import noise_tiles, sample_tile


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
