"""Gaussian blur of the image; labels stay as they are."""

import math
from functools import partial

import tensorflow as tf

from keras_lraspp.data.augmentation.settings import check_probability, check_range
from keras_lraspp.data.augmentation.transforms import Transform

_REACH = 4.0  # sigmas; beyond it, 1 part in 16000 of the weight


def blur_transform(
    *,
    probability: float = 0.5,
    sigmas: tuple[float, float] = (0.1, 2.0),
    ignore_label: int | None = None,
) -> Transform:
    """Blurs some images, as a lens out of focus does.

    Args:
        probability: Of blurring an image.
        sigmas: Range of the uniform standard deviation, in pixels.
        ignore_label: Not used; every transform takes it.

    Returns:
        A function of image, label and seed, that keeps the size.

    Raises:
        InputError: If a value is outside its range.
    """
    check_probability("blur_transform.probability", probability)
    check_range("blur_transform.sigmas", sigmas, 0.01)
    return partial(random_blur, probability=probability, sigmas=tuple(sigmas))


def random_blur(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float,
    sigmas: tuple[float, float],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Blurs the image, or not.

    Args:
        image: uint8 (height, width, channels).
        label: Returned as it is.
        seed: int32 or int64 (2,).
        probability: Of blurring.
        sigmas: Range of the uniform standard deviation, in pixels.

    Returns:
        The image, of the same type and size, and the label.
    """
    whether, amount = tf.unstack(tf.random.split(seed, 2))
    blurred = tf.random.stateless_uniform([], whether) < probability
    sigma = tf.random.stateless_uniform([], amount, *sigmas)
    radius = math.ceil(_REACH * sigmas[1])
    image = tf.cond(
        blurred,
        lambda: gaussian_blur(image, sigma, radius=radius),
        lambda: image,
    )
    return image, label


def gaussian_blur(image: tf.Tensor, sigma: tf.Tensor, *, radius: int) -> tf.Tensor:
    """Convolves with a Gaussian; beyond the border, its nearest pixel goes on.

    Args:
        image: uint8 (height, width, channels).
        sigma: Standard deviation in pixels, scalar float32.
        radius: The kernel is cut off there; it has 2 * radius + 1 weights, of sum 1.

    Returns:
        uint8, of the same size, rounded half up.
    """
    places = tf.range(-radius, radius + 1)
    weights = tf.exp(-0.5 * (tf.cast(places, tf.float32) / sigma) ** 2)
    weights /= tf.reduce_sum(weights)
    blurred = tf.cast(image, tf.float32)[None]
    for axis in (1, 2):
        blurred = _convolved(blurred, weights, axis, radius)
    blurred = tf.cast(blurred[0] + 0.5, tf.uint8)
    blurred.set_shape(image.shape)
    return blurred


def _convolved(
    images: tf.Tensor, weights: tf.Tensor, axis: int, radius: int
) -> tf.Tensor:
    """Images (1, height, width, channels) along one axis."""
    side = tf.shape(images)[axis]
    places = tf.clip_by_value(tf.range(-radius, side + radius), 0, side - 1)
    shape = [1, 1, 1, 1]
    shape[axis - 1] = 2 * radius + 1
    channels = tf.shape(images)[3]
    kernel = tf.tile(tf.reshape(weights, shape), [1, 1, channels, 1])
    return tf.nn.depthwise_conv2d(
        tf.gather(images, places, axis=axis), kernel, [1, 1, 1, 1], "VALID"
    )
