"""Random scale and crop in one go: only the pixels of the crop are computed."""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import tensorflow as tf

from keras_lraspp.data.run_time_errors import refuse_unless

# The reference pads float images with 127.5 and later cuts them to bytes.
PAD_PIXEL = 127


class Span(NamedTuple):
    """Where a crop lies on one axis; integers or scalar int32 tensors."""

    side: int | tf.Tensor  # of the source, in pixels
    scaled: int | tf.Tensor  # of the whole source after scaling
    offset: int | tf.Tensor  # of the crop in the scaled source
    length: int | tf.Tensor  # of the crop, not longer than `scaled`


def random_scale_crop(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    crop_size: tuple[int, int],
    scales: Sequence[float],
    ignore_label: int | None = 255,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales by one of `scales`, then crops at a uniform offset.

    Sides are rounded after scaling. The image is interpolated bilinearly (half-pixel
    centres, no antialias), of labels the nearest is taken: source index =
    floor(index * side / scaled side). A crop larger than the scaled image is filled up
    on the right and at the bottom, with `PAD_PIXEL` and `ignore_label`.

    Args:
        image: uint8 (height, width, 3).
        label: Integers (height, width).
        seed: int32 or int64 (2,).
        crop_size: Height and width of the crop.
        scales: Scales, each as likely.
        ignore_label: Fills up the labels; `None` refuses to.

    Returns:
        uint8 (*crop_size, 3), and labels (*crop_size) of the type given.
    """
    choice, *offset_seeds = tf.unstack(tf.random.split(seed, 3))
    fractions = [Fraction(scale).limit_denominator(1000) for scale in scales]
    steps = tf.constant([(f.numerator, f.denominator) for f in fractions], tf.int32)
    index = tf.random.stateless_uniform([], choice, 0, len(scales), tf.int32)
    step = tf.gather(steps, index)
    rows, columns = (
        _random_span(tf.shape(label)[axis], step, crop_size[axis], offset_seeds[axis])
        for axis in (0, 1)
    )
    image = crop_scaled_image(image, rows, columns, step)
    label = crop_scaled_label(label, rows, columns)
    return fill_up(image, label, crop_size=crop_size, ignore_label=ignore_label)


def crop_scaled_image(
    image: tf.Tensor, rows: Span, columns: Span, step: tf.Tensor
) -> tf.Tensor:
    """A crop of the bilinearly scaled image, without scaling the rest of it.

    Args:
        image: uint8 (height, width, channels).
        rows: The crop's rows.
        columns: The crop's columns.
        step: int32 (2,): the scale as a fraction in lowest terms. `step[0]` scaled
            pixels are `step[1]` source pixels wide, unless rounding changed that.

    Returns:
        uint8 (rows.length, columns.length, channels), rounded half up.
    """
    top, bottom, scaled_top, height = _window(rows, step)
    left, right, scaled_left, width = _window(columns, step)
    scaled = tf.raw_ops.ResizeBilinear(
        images=image[None, top:bottom, left:right],
        size=tf.stack([height, width]),
        half_pixel_centers=True,
    )
    start = [0, rows.offset - scaled_top, columns.offset - scaled_left, 0]
    crop = tf.slice(scaled, start, [1, rows.length, columns.length, -1])[0]
    return tf.cast(crop + 0.5, tf.uint8)


def crop_scaled_label(label: tf.Tensor, rows: Span, columns: Span) -> tf.Tensor:
    """A crop of the labels scaled to the nearest source index below.

    Args:
        label: Integers (height, width).
        rows: The crop's rows.
        columns: The crop's columns.

    Returns:
        Labels (rows.length, columns.length).
    """

    def sources(span: Span) -> tf.Tensor:
        places = tf.range(span.offset, span.offset + span.length)
        # In int32 the product of two sides above 32767 overflows.
        places, side, scaled = (
            tf.cast(number, tf.int64) for number in (places, span.side, span.scaled)
        )
        return places * side // scaled

    return tf.gather(tf.gather(label, sources(rows)), sources(columns), axis=1)


def fill_up(
    image: tf.Tensor,
    label: tf.Tensor,
    *,
    crop_size: tuple[int, int],
    ignore_label: int | None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Pads on the right and at the bottom to `crop_size`, as `random_scale_crop`."""
    missing = tf.constant(crop_size) - tf.shape(label)
    refuse_unless(
        tf.reduce_all(missing == 0) if ignore_label is None else True,
        f"The crop of {crop_size[0]}x{crop_size[1]} is larger than a scaled image and "
        "there is no ignore label to fill it up with; set ignore_label, or lower "
        "recipe_transform.crop_size or raise its scales.",
    )
    paddings = tf.stack([tf.zeros_like(missing), missing], axis=1)
    image = tf.pad(image, tf.pad(paddings, [[0, 1], [0, 0]]), constant_values=PAD_PIXEL)
    label = tf.pad(label, paddings, constant_values=ignore_label or 0)
    return tf.ensure_shape(image, (*crop_size, 3)), tf.ensure_shape(label, crop_size)


def _random_span(
    side: tf.Tensor, step: tf.Tensor, length: int, seed: tf.Tensor
) -> Span:
    exact = tf.cast(side, tf.float64) * tf.cast(step[0] / step[1], tf.float64)
    scaled = tf.maximum(tf.cast(tf.round(exact), tf.int32), 1)
    length = tf.minimum(scaled, length)
    offset = tf.random.stateless_uniform([], seed, 0, scaled - length + 1, tf.int32)
    return Span(side, scaled, offset, length)


def _window(span: Span, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Source pixels that a crop needs, such that scaling them alone changes nothing.

    That holds for whole steps of the scale's fraction, with one step more on either
    side for the neighbours that interpolation asks for. Where rounding the side has
    changed the ratio, the window is the whole side.

    Returns:
        Start and end in the source, start and length in the scaled source.
    """
    per_step, source_step = step[0], step[1]
    whole = span.side * per_step != span.scaled * source_step
    first = tf.maximum(span.offset // per_step - 1, 0)
    last = tf.minimum(
        -(-(span.offset + span.length) // per_step) + 1, span.scaled // per_step
    )
    return (
        tf.where(whole, 0, first * source_step),
        tf.where(whole, span.side, last * source_step),
        tf.where(whole, 0, first * per_step),
        tf.where(whole, span.scaled, (last - first) * per_step),
    )
