"""The camera's own marks: exposure, vignette, lens blur, sensor noise."""

import random
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageFilter


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
