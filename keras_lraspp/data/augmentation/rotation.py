"""Rotation of image and label together."""

import math
from functools import partial

import tensorflow as tf

from keras_lraspp.data.augmentation.scale_crop import PAD_PIXEL
from keras_lraspp.data.augmentation.settings import check_probability
from keras_lraspp.data.augmentation.transforms import Transform
from keras_lraspp.errors import InputError


def rotation_transform(
    *,
    probability: float = 0.5,
    max_degrees: float = 10.0,
    expand: bool = False,
    ignore_label: int | None = 255,
) -> Transform:
    """Turns some images by a random angle.

    The corners that come into view are filled as PaddleSeg fills them: the image with
    mid-grey (`scale_crop.PAD_PIXEL`, zero for the network), labels with the ignore
    label.

    Args:
        probability: Of turning an image.
        max_degrees: The angle is uniform in -max_degrees..max_degrees.
        expand: Enlarges the frame so that nothing is lost, as PaddleSeg does; a crop
            has to follow then. Otherwise the size stays and corners are cut off.
        ignore_label: Fills up the labels.

    Returns:
        A function of image, label and seed.

    Raises:
        InputError: If a value is outside its range, or there is no ignore label.
    """
    check_probability("rotation_transform.probability", probability)
    if not 0 <= max_degrees <= 180:
        raise InputError(
            f"rotation_transform.max_degrees is an angle 0..180, not {max_degrees!r}."
        )
    if ignore_label is None:
        raise InputError(
            "rotation_transform fills corners with the ignore label, but the data set "
            "has none; give it an ignore_label or leave the rotation out."
        )
    return partial(
        random_rotation,
        probability=probability,
        max_degrees=float(max_degrees),
        expand=expand,
        ignore_label=ignore_label,
    )


def random_rotation(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float,
    max_degrees: float,
    expand: bool,
    ignore_label: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns image and label, or not.

    Args:
        image: uint8 (height, width, 3).
        label: uint8 or int32 (height, width).
        seed: int32 or int64 (2,).
        probability: Of turning.
        max_degrees: The angle is uniform in -max_degrees..max_degrees.
        expand: As in `rotate`.
        ignore_label: As in `rotate`.

    Returns:
        Image and label, both turned or both as they were.
    """
    whether, amount = tf.unstack(tf.random.split(seed, 2))
    turned = tf.random.stateless_uniform([], whether) < probability
    degrees = tf.random.stateless_uniform([], amount, -max_degrees, max_degrees)
    return tf.cond(
        turned,
        lambda: rotate(image, label, degrees, expand=expand, ignore_label=ignore_label),
        lambda: (image, label),
    )


def rotate(
    image: tf.Tensor,
    label: tf.Tensor,
    degrees: tf.Tensor | float,
    *,
    expand: bool,
    ignore_label: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns image (bilinear) and label (nearest) about their centre.

    Args:
        image: uint8 (height, width, 3).
        label: uint8 or int32 (height, width).
        degrees: The angle, counter-clockwise.
        expand: Whether the frame grows to hold the whole image; else the size stays.
        ignore_label: Fills up the labels; the image is filled with `PAD_PIXEL`.

    Returns:
        Image and label of the types given.
    """
    size = tf.shape(label)
    angle = tf.cast(degrees, tf.float64) * (math.pi / 180)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    if expand:
        height, width = tf.unstack(tf.cast(size, tf.float64), 2)
        grown = tf.stack(
            [
                height * tf.abs(cosine) + width * tf.abs(sine),
                width * tf.abs(cosine) + height * tf.abs(sine),
            ]
        )
        new_size = tf.cast(tf.round(grown), tf.int32)
    else:
        new_size = size
    matrix = _to_source(size, new_size, sine, cosine)
    turned = _warped(tf.cast(image, tf.float32), matrix, new_size, PAD_PIXEL)
    turned = tf.cast(turned + 0.5, tf.uint8)
    labels = _warped(label[..., None], matrix, new_size, ignore_label, "NEAREST")
    labels = labels[..., 0]
    if not expand:
        turned.set_shape(image.shape)
        labels.set_shape(label.shape)
    return turned, labels


def _to_source(
    size: tf.Tensor, new_size: tf.Tensor, sine: tf.Tensor, cosine: tf.Tensor
) -> tf.Tensor:
    """Where each new pixel comes from, float32 (1, 8): rows of a projection, x first.

    Centres of pixels are at whole numbers, and the middle of the new frame comes from
    the middle of the old one.
    """
    middle_y, middle_x = tf.unstack((tf.cast(size, tf.float64) - 1) / 2, 2)
    new_y, new_x = tf.unstack((tf.cast(new_size, tf.float64) - 1) / 2, 2)
    row_x = [cosine, -sine, middle_x - cosine * new_x + sine * new_y]
    row_y = [sine, cosine, middle_y - sine * new_x - cosine * new_y]
    return tf.cast(tf.stack([*row_x, *row_y, 0.0, 0.0])[None], tf.float32)


def _warped(
    image: tf.Tensor,
    matrix: tf.Tensor,
    size: tf.Tensor,
    fill: int,
    interpolation: str = "BILINEAR",
) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=matrix,
        output_shape=size,
        fill_value=float(fill),
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )[0]
