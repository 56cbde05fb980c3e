"""Color jitter: brightness, contrast, saturation and hue, exactly as Pillow's.

An image is worked on as three float32 planes (height, width), or one if it is grey,
that hold whole numbers 0..255. XLA makes one loop over the pixels of each operation,
four times as fast as TensorFlow's one pass over memory for each sum and product. Every
function is meant for use inside a `tf.function` or `tf.data` map, and runs eagerly too.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import tensorflow as tf

Planes = list[tf.Tensor]


def random_color(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float = 0.5,
    factors: tuple[float, float] = (0.5, 1.5),
    hue: float = 18.0,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Brightness, contrast, saturation and hue, each or not, in a random order.

    A grey image gets the first two, which is what the same image gets as RGB. Of four
    channels the first three are RGB, and the last stays. Images of other numbers of
    channels stay as they are.

    Args:
        image: uint8 (height, width, channels).
        label: Returned as it is.
        seed: int32 or int64 (2,).
        probability: Of each of the four.
        factors: Range of the uniform factor of the first three; 1 changes nothing.
        hue: The shift is uniform in -hue..hue, on a hue circle of 256.

    Returns:
        uint8 (height, width, channels), and the label.
    """
    channels = known_channels(image)
    if channels == 4:
        settings = {"probability": probability, "factors": factors, "hue": hue}
        colors, label = random_color(image[..., :3], label, seed, **settings)
        return tf.concat([colors, image[..., 3:]], axis=-1), label
    if channels not in (1, 3):
        return image, label
    seeds = tf.random.split(seed, 3)
    applied = tf.random.stateless_uniform([4], seeds[0]) < probability
    amounts = tf.random.stateless_uniform([4], seeds[1])
    low, high = factors
    factor = low + (high - low) * amounts
    shift = hue * (2 * amounts[3] - 1)
    steps = (
        (brightness, factor[0]),
        (contrast, factor[1]),
        (saturation, factor[2]),
        (shift_hue, shift),
    )
    if channels == 1:
        steps = steps[:2]
    order = tf.random.experimental.stateless_shuffle(tf.range(4), seeds[2])
    order = tf.where(tf.gather(applied, order), order, 4)
    for turn in range(4):
        branches = [partial(_compile(step), image, amount) for step, amount in steps]
        unchanged = [partial(tf.identity, image)] * (5 - len(steps))
        image = tf.switch_case(order[turn], [*branches, *unchanged])
    return image, label


def known_channels(image: tf.Tensor | np.ndarray) -> int:
    """Channels of an image; 3 where a graph does not say it."""
    return image.shape[-1] or 3


@cache
def _compile(operation: Callable[[Planes, tf.Tensor], Planes]) -> Callable:
    """An operation on planes as one on uint8 (..., 1 or 3), compiled by XLA."""

    def on_image(image, amount):
        return to_image(operation(to_planes(image), amount))

    return tf.function(on_image, jit_compile=True, autograph=False)


def to_planes(image: tf.Tensor) -> Planes:
    """Splits uint8 (height, width, 1 or 3) into float32 planes."""
    return [tf.cast(plane, tf.float32) for plane in tf.unstack(image, axis=-1)]


def to_image(planes: Planes) -> tf.Tensor:
    """Joins one or three planes of whole numbers into uint8 (height, width, ...)."""
    if len(planes) == 1:
        return tf.cast(planes[0], tf.uint8)[..., None]
    red, green, blue = (tf.cast(plane, tf.int32) for plane in planes)
    # Four bytes at once: stacking planes of bytes takes three times as long.
    pixels = tf.bitcast(red + green * (1 << 8) + blue * (1 << 16), tf.uint8)
    return pixels[..., :3]


def brightness(planes: Planes, factor: tf.Tensor) -> Planes:
    """Blends with black, as `PIL.ImageEnhance.Brightness`."""
    return [_blend(0.0, plane, factor) for plane in planes]


def contrast(planes: Planes, factor: tf.Tensor) -> Planes:
    """Blends with the mean grey of the image, as `PIL.ImageEnhance.Contrast`."""
    grey = tf.cast(_grey(planes), tf.int32)
    row_sums = tf.cast(tf.reduce_sum(grey, axis=1), tf.int64)
    count = tf.size(grey, tf.int64)
    mean = (2 * tf.reduce_sum(row_sums) + count) // (2 * count)  # rounded half up
    return [_blend(tf.cast(mean, tf.float32), plane, factor) for plane in planes]


def saturation(planes: Planes, factor: tf.Tensor) -> Planes:
    """Blends with the grey of each pixel, as `PIL.ImageEnhance.Color`."""
    grey = _grey(planes)
    return [_blend(grey, plane, factor) for plane in planes]


def shift_hue(planes: Planes, shift: tf.Tensor) -> Planes:
    """Turns the hue, as by way of Pillow's HSV mode, whose hue is 0..255.

    Args:
        planes: The image.
        shift: Levels to add to the hue, rounded down to a whole number.

    Returns:
        The image; value stays, hue and saturation are cut to bytes as Pillow does.
    """
    value = tf.maximum(tf.maximum(planes[0], planes[1]), planes[2])
    chroma = value - tf.minimum(tf.minimum(planes[0], planes[1]), planes[2])
    # 6 hues make the circle's 255 steps; 255 and 0 are both red in Pillow.
    sixths = 6 * tf.math.floormod(_hue(planes, value, chroma) + tf.floor(shift), 256.0)
    strength = tf.floor(chroma / tf.maximum(value, 1.0) * 255.0) * value
    away = (  # how far each channel is from full: 0..255
        510.0 - tf.abs(sixths - 765.0),
        tf.abs(sixths - 510.0) - 255.0,
        tf.abs(sixths - 1020.0) - 255.0,
    )
    return [
        tf.floor(value - strength * _clip(distance) * (1 / 255**2) + 0.5)
        for distance in away
    ]


def _hue(planes: Planes, value: tf.Tensor, chroma: tf.Tensor) -> tf.Tensor:
    """Hue of each pixel in Pillow's whole numbers 0..255; 0 for grey."""
    divisor = tf.maximum(chroma, 1.0)
    red, green, blue = ((value - plane) / divisor for plane in planes)
    # Pillow's order and precision of operations: else one colour in 500 is cut to
    # another whole number.
    sextant = tf.where(
        planes[1] == value,
        tf.cast(2.0 + _double(red) - _double(blue), tf.float32),
        tf.cast(4.0 + _double(green) - _double(red), tf.float32),
    )
    sextant = tf.where(planes[0] == value, blue - green, sextant)
    turn = _double(sextant) / 6.0 + 1.0
    turn = tf.cast(turn - tf.floor(turn), tf.float32)
    hue = tf.cast(tf.floor(_double(turn) * 255.0), tf.float32)
    return tf.where(chroma == 0.0, 0.0, hue)


def _grey(planes: Planes) -> tf.Tensor:
    """Pillow's grey, (19595 R + 38470 G + 7471 B + 32768) >> 16; exact in float32."""
    if len(planes) == 1:
        return planes[0]
    weights = (19595.0, 38470.0, 7471.0)
    total = sum(plane * weight for plane, weight in zip(planes, weights, strict=True))
    return tf.floor((total + 32768.0) * (1 / 65536))


def _blend(
    degenerate: tf.Tensor | float, plane: tf.Tensor, factor: tf.Tensor
) -> tf.Tensor:
    """Pillow's blend: extrapolates beyond 1, cuts off the fraction."""
    # The maximum changes nothing but that compilers may not join product and sum to
    # one operation that rounds once.
    step = tf.maximum(factor * (plane - degenerate), -1e6)
    return tf.floor(_clip(degenerate + step))


def _clip(plane: tf.Tensor) -> tf.Tensor:
    return tf.minimum(tf.maximum(plane, 0.0), 255.0)


def _double(plane: tf.Tensor) -> tf.Tensor:
    return tf.cast(plane, tf.float64)
