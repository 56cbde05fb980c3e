"""Where a crop of a scaled image lies, and what it needs of the source."""

from typing import NamedTuple

import tensorflow as tf


class Span(NamedTuple):
    """Where a crop lies on one axis; integers or scalar int32 tensors."""

    side: int | tf.Tensor  # of the source, in pixels
    scaled: int | tf.Tensor  # of the whole source after scaling
    offset: int | tf.Tensor  # of the crop in the scaled source
    length: int | tf.Tensor  # of the crop, not longer than `scaled`


def random_span(side: tf.Tensor, step: tf.Tensor, length: int, seed: tf.Tensor) -> Span:
    """Chooses where a crop lies on one axis.

    Args:
        side: Of the source, scalar int32.
        step: int32 (2,): the scale as a fraction.
        length: Of the crop; cut to the scaled side if that is shorter.
        seed: int32 or int64 (2,).

    Returns:
        The crop's place, all places as likely.
    """
    exact = tf.cast(side, tf.float64) * tf.cast(step[0] / step[1], tf.float64)
    scaled = tf.maximum(tf.cast(tf.round(exact), tf.int32), 1)
    length = tf.minimum(scaled, length)
    offset = tf.random.stateless_uniform([], seed, 0, scaled - length + 1, tf.int32)
    return Span(side, scaled, offset, length)


def source_window(span: Span, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
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
