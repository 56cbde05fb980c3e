"""A part of the image of random size and proportion, drawn out to the whole."""

import math
from functools import partial

import tensorflow as tf

from keras_lraspp.data.augmentation.settings import check_probability, check_range
from keras_lraspp.data.augmentation.transforms import Transform

_TRIES = 10  # as torchvision's RandomResizedCrop and PaddleSeg's RandomScaleAspect


def scale_aspect_transform(
    *,
    probability: float = 1.0,
    areas: tuple[float, float] = (0.5, 1.0),
    aspects: tuple[float, float] = (0.75, 4 / 3),
    ignore_label: int | None = None,
) -> Transform:
    """Takes a random part of the image and resizes it to the image's size.

    So things become larger, and wider or slimmer. The proportion is relative to that
    of the image, other than in torchvision's RandomResizedCrop and PaddleSeg's
    RandomScaleAspect: 1 distorts nothing, whatever the size of the image.

    Args:
        probability: Of doing so with an image.
        areas: Range of the part's area as a share of the image's, uniform.
        aspects: Range of the part's width by height, over the image's width by height;
            1/2 and 2 are as likely. Below 1, things become wider.
        ignore_label: Not used; every transform takes it.

    Returns:
        A function of image, label and seed, that keeps the size.

    Raises:
        InputError: If a value is outside its range.
    """
    check_probability("scale_aspect_transform.probability", probability)
    check_range("scale_aspect_transform.areas", areas, 0.01, 1.0)
    check_range("scale_aspect_transform.aspects", aspects, 0.1, 10.0)
    return partial(
        random_scale_aspect,
        probability=probability,
        areas=tuple(areas),
        aspects=tuple(aspects),
    )


def random_scale_aspect(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    probability: float,
    areas: tuple[float, float],
    aspects: tuple[float, float],
) -> tuple[tf.Tensor, tf.Tensor]:
    """Takes a random part and resizes it to the image's size, or not.

    Args:
        image: uint8 (height, width, 3).
        label: Integers (height, width).
        seed: int32 or int64 (2,).
        probability: Of doing so.
        areas: Range of the part's share of the area.
        aspects: Range of the part's proportion over the image's.

    Returns:
        Image and label, of the same types and size.
    """
    whether, part = tf.unstack(tf.random.split(seed, 2))
    changed = tf.random.stateless_uniform([], whether) < probability

    def resized():
        box = random_part(tf.shape(label), part, areas=areas, aspects=aspects)
        return stretch(image, label, box)

    return tf.cond(changed, resized, lambda: (image, label))


def random_part(
    size: tf.Tensor,
    seed: tf.Tensor,
    *,
    areas: tuple[float, float],
    aspects: tuple[float, float],
) -> tf.Tensor:
    """Chooses a part of an image.

    Args:
        size: Height and width of the image, int32 (2,).
        seed: int32 or int64 (2,).
        areas: Range of the part's share of the area.
        aspects: Range of the part's proportion over the image's.

    Returns:
        Top, left, height and width in pixels, int32 (4,): the first of ten tries that
        lies inside the image, or else the whole image.
    """
    area_seed, aspect_seed, place_seed = tf.unstack(tf.random.split(seed, 3))
    area = tf.random.stateless_uniform([_TRIES], area_seed, *areas)
    logarithms = map(math.log, aspects)
    aspect = tf.exp(tf.random.stateless_uniform([_TRIES], aspect_seed, *logarithms))
    shares = tf.stack([tf.sqrt(area / aspect), tf.sqrt(area * aspect)], axis=1)
    # Rounding takes a share of exactly 1, of the whole image, for a little more.
    fits = tf.reduce_all(shares <= 1 + 1e-6, axis=1)
    first = tf.argmax(tf.cast(fits, tf.int32))
    shares = tf.where(tf.reduce_any(fits), shares[first], 1.0)
    sides = tf.cast(tf.round(tf.cast(size, tf.float32) * shares), tf.int32)
    sides = tf.clip_by_value(sides, 1, size)
    places = tf.random.stateless_uniform([2], place_seed)
    free = tf.cast(size - sides + 1, tf.float32)
    offsets = tf.minimum(tf.cast(places * free, tf.int32), size - sides)
    return tf.concat([offsets, sides], axis=0)


def stretch(
    image: tf.Tensor, label: tf.Tensor, box: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Resizes a part of image and label to the size of the whole.

    Args:
        image: uint8 (height, width, 3); interpolated bilinearly (half-pixel centres,
            no antialias).
        label: Integers (height, width); source index = floor(index * part / whole).
        box: Top, left, height and width of the part, int32 (4,).

    Returns:
        Image and label, of the same types and size.
    """
    top, left, height, width = tf.unstack(box, 4)
    whole = tf.shape(label)
    part = image[top : top + height, left : left + width]
    resized = tf.raw_ops.ResizeBilinear(
        images=part[None], size=whole, half_pixel_centers=True
    )[0]
    rows = top + tf.range(whole[0]) * height // whole[0]
    columns = left + tf.range(whole[1]) * width // whole[1]
    labels = tf.gather(tf.gather(label, rows), columns, axis=1)
    resized = tf.cast(resized + 0.5, tf.uint8)
    resized.set_shape(image.shape)
    labels.set_shape(label.shape)
    return resized, labels
