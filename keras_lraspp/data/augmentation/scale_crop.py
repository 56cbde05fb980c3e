"""Random scale and crop in one go: only the pixels of the crop are computed."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import NamedTuple

import tensorflow as tf

from keras_lraspp.data.augmentation.color import known_channels
from keras_lraspp.data.pipeline_errors import refuse_unless
from keras_lraspp.data.window import Window, full_image

# The reference pads float images with 127.5 and later cuts them to bytes.
PAD_PIXEL = 127


class Span(NamedTuple):
    """A crop on one axis; integers or scalar int32 tensors."""

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
    window: Window | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Scales by one of `scales`, then crops at a uniform offset.

    Sides are rounded after scaling. The image is interpolated bilinearly (half-pixel
    centres, no antialias), of labels the nearest is taken: source index =
    floor(index * side / scaled side). A crop larger than the scaled image is filled up
    on the right and at the bottom, with `PAD_PIXEL` and `ignore_label`.

    Args:
        image: uint8 (height, width, channels).
        label: Integers (height, width).
        seed: int32 or int64 (2,).
        crop_size: Height and width of the crop.
        scales: Scales, each as likely.
        ignore_label: Fills up the labels; `None` refuses to.
        window: The part that image and label are of the whole; `None` if all. At
            least what `scale_crop_window` says for this seed.

    Returns:
        uint8 (*crop_size, channels), and labels (*crop_size) of the type given.
    """
    channels = known_channels(image)
    if window is None:
        window = full_image(*tf.unstack(tf.shape(label), 2))
    rows, columns, step = _plan_crop(
        window.height, window.width, seed, crop_size, scales
    )
    origin = window.top, window.left
    image = crop_scaled_image(image, rows, columns, step, origin)
    label = crop_scaled_label(label, rows, columns, origin)
    filling = {"crop_size": crop_size, "channels": channels}
    return fill_up(image, label, **filling, ignore_label=ignore_label)


def scale_crop_window(
    height: tf.Tensor,
    width: tf.Tensor,
    seed: tf.Tensor,
    *,
    crop_size: tuple[int, int],
    scales: Sequence[float],
) -> Window:
    """Returns what part of an image `random_scale_crop` looks at for a seed."""
    rows, columns, step = _plan_crop(height, width, seed, crop_size, scales)
    top, bottom, *_ = source_window(rows, step)
    left, right, *_ = source_window(columns, step)
    return Window(height, width, top, bottom, left, right)


def random_balanced_crop(
    image: tf.Tensor,
    label: tf.Tensor,
    seed: tf.Tensor,
    *,
    crop_size: tuple[int, int],
    scales: Sequence[float],
    max_class_share: float,
    tries: int,
    ignore_label: int | None = 255,
) -> tuple[tf.Tensor, tf.Tensor]:
    """`random_scale_crop` that tries other offsets while one class fills the crop.

    The scale stays, and the first try is the crop of `random_scale_crop`. As in
    mmsegmentation's `cat_max_ratio`, but where no try is good enough the best of them
    is taken, not the last.

    Args:
        image: uint8 (height, width, channels).
        label: Integers (height, width).
        seed: int32 or int64 (2,).
        crop_size: Height and width of the crop.
        scales: Scales, each as likely.
        max_class_share: The largest share of the labelled pixels that a class may have.
        tries: How many offsets at most.
        ignore_label: Fills up the labels; these pixels count nowhere.
    """

    def plan(attempt):
        size = tf.unstack(tf.shape(label), 2)
        return _plan_crop(*size, seed, crop_size, scales, attempt)

    def share(attempt):
        rows, columns, _ = plan(attempt)
        crop = crop_scaled_label(label, rows, columns)
        return largest_class_share(crop, ignore_label)

    def another(attempt, best, smallest):
        own = share(attempt)
        best = tf.where(own < smallest, attempt, best)
        return attempt + 1, best, tf.minimum(own, smallest)

    first = tf.constant(0)
    _, best, _ = tf.while_loop(
        lambda attempt, best, smallest: smallest > max_class_share,
        another,
        (first + 1, first, share(first)),
        maximum_iterations=tries - 1,
    )
    rows, columns, step = plan(best)
    filling = {"crop_size": crop_size, "channels": known_channels(image)}
    image = crop_scaled_image(image, rows, columns, step)
    label = crop_scaled_label(label, rows, columns)
    return fill_up(image, label, **filling, ignore_label=ignore_label)


def largest_class_share(label: tf.Tensor, ignore_label: int | None) -> tf.Tensor:
    """Share of the largest class in the labelled pixels, float32; 1 without any."""
    values = tf.cast(tf.reshape(label, [-1]), tf.int32)
    if ignore_label is not None:
        values = tf.boolean_mask(values, values != ignore_label)
    largest = tf.reduce_max(tf.concat([tf.math.bincount(values), [0]], axis=0))
    count = tf.size(values)
    return tf.where(count > 0, tf.cast(largest / tf.maximum(count, 1), tf.float32), 1.0)


def _plan_crop(
    height: tf.Tensor,
    width: tf.Tensor,
    seed: tf.Tensor,
    crop_size: tuple[int, int],
    scales: Sequence[float],
    attempt: int | tf.Tensor = 0,
) -> tuple[Span, Span, tf.Tensor]:
    """Rows, columns and scale of a crop, as `crop_scaled_image` takes them."""
    choice, *offset_seeds = tf.unstack(tf.random.split(seed, 3))
    step = _random_step(choice, scales)
    spans = []
    for side, length, own_seed in zip(
        (height, width), crop_size, offset_seeds, strict=True
    ):
        if tf.is_tensor(attempt):
            another = tf.random.fold_in(own_seed, attempt)
            own_seed = tf.where(attempt > 0, another, own_seed)
        spans.append(random_span(side, step, length, own_seed))
    return *spans, step


def _random_step(seed: tf.Tensor, scales: Sequence[float]) -> tf.Tensor:
    """Chooses one of the scales, each as likely: int32 (2,), a fraction."""
    fractions = [Fraction(scale).limit_denominator(1000) for scale in scales]
    steps = tf.constant([(f.numerator, f.denominator) for f in fractions], tf.int32)
    index = tf.random.stateless_uniform([], seed, 0, len(scales), tf.int32)
    return tf.gather(steps, index)


def random_span(side: tf.Tensor, step: tf.Tensor, length: int, seed: tf.Tensor) -> Span:
    """Chooses where a crop lies on one axis, all places as likely.

    Args:
        side: Of the source, scalar int32.
        step: int32 (2,): the scale as a fraction.
        length: Of the crop; cut to the scaled side if that is shorter.
        seed: int32 or int64 (2,).
    """
    exact = tf.cast(side, tf.float64) * tf.cast(step[0] / step[1], tf.float64)
    scaled = tf.maximum(tf.cast(tf.round(exact), tf.int32), 1)
    length = tf.minimum(scaled, length)
    offset = tf.random.stateless_uniform([], seed, 0, scaled - length + 1, tf.int32)
    return Span(side, scaled, offset, length)


def source_window(span: Span, step: tf.Tensor) -> tuple[tf.Tensor, ...]:
    """Source pixels that a crop needs, such that scaling them alone gives the same.

    That holds for whole steps of the scale's fraction, with one step more on either
    side for the neighbours that interpolation asks for. Where rounding the side has
    changed the ratio, the window is the whole side.

    Returns:
        Start and end in the source, start and length in the scaled source.
    """
    per_step, source_step = step[0], step[1]
    rounded = span.side * per_step != span.scaled * source_step
    first = tf.maximum(span.offset // per_step - 1, 0)
    last = tf.minimum(
        -(-(span.offset + span.length) // per_step) + 1, span.scaled // per_step
    )
    return (
        tf.where(rounded, 0, first * source_step),
        tf.where(rounded, span.side, last * source_step),
        tf.where(rounded, 0, first * per_step),
        tf.where(rounded, span.scaled, (last - first) * per_step),
    )


def crop_scaled_image(
    image: tf.Tensor,
    rows: Span,
    columns: Span,
    step: tf.Tensor,
    origin: tuple[int | tf.Tensor, int | tf.Tensor] = (0, 0),
) -> tf.Tensor:
    """A crop of the bilinearly scaled image, without scaling the rest of it.

    Args:
        image: uint8 (height, width, channels).
        rows: The crop's rows.
        columns: The crop's columns.
        step: int32 (2,): the scale as a fraction in lowest terms. `step[0]` scaled
            pixels are `step[1]` source pixels wide, unless rounding changed that.
        origin: Row and column of the source that `image` begins with, if it is a part.

    Returns:
        uint8 (rows.length, columns.length, channels), rounded half up.
    """
    top, bottom, scaled_top, height = source_window(rows, step)
    left, right, scaled_left, width = source_window(columns, step)
    down, across = origin
    scaled = tf.raw_ops.ResizeBilinear(
        images=image[None, top - down : bottom - down, left - across : right - across],
        size=tf.stack([height, width]),
        half_pixel_centers=True,
    )
    start = [0, rows.offset - scaled_top, columns.offset - scaled_left, 0]
    crop = tf.slice(scaled, start, [1, rows.length, columns.length, -1])[0]
    return tf.cast(crop + 0.5, tf.uint8)


def crop_scaled_label(
    label: tf.Tensor,
    rows: Span,
    columns: Span,
    origin: tuple[int | tf.Tensor, int | tf.Tensor] = (0, 0),
) -> tf.Tensor:
    """A crop of the labels scaled to the nearest source index below."""

    def sources(span: Span, origin: int | tf.Tensor) -> tf.Tensor:
        places = tf.range(span.offset, span.offset + span.length)
        # In int32 the product of two sides above 32767 overflows.
        places, side, scaled = (
            tf.cast(number, tf.int64) for number in (places, span.side, span.scaled)
        )
        return tf.cast(places * side // scaled, tf.int32) - origin

    down, across = sources(rows, origin[0]), sources(columns, origin[1])
    band = label[down[0] : down[-1] + 1, across[0] : across[-1] + 1]
    down, across = down - down[0], across - across[0]
    pick = _pick_columns if label.dtype == tf.uint8 else partial(tf.gather, axis=1)
    # Columns are picked pixel by pixel: first or last, where there are fewer rows.
    return tf.cond(
        tf.shape(band)[0] < rows.length,
        lambda: tf.gather(pick(band, across), down),
        lambda: pick(tf.gather(band, down), across),
    )


@tf.function(
    input_signature=[
        tf.TensorSpec((None, None), tf.uint8),
        tf.TensorSpec((None,), tf.int32),
    ],
    autograph=False,
)
def _pick_columns(label: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """`tf.gather(label, columns, axis=1)`, but for four rows of bytes at a time."""
    rows, width = tf.unstack(tf.shape(label))
    filled = tf.pad(label, [[0, -rows % 4], [0, 0]])
    quarters = tf.unstack(tf.reshape(filled, [4, -1, width]))
    packed = sum(
        tf.cast(part, tf.int32) * (1 << 8 * k) for k, part in enumerate(quarters)
    )
    picked = tf.gather(packed, columns, axis=1)
    parts = [
        tf.cast(tf.bitwise.right_shift(picked, 8 * k) & 255, tf.uint8) for k in range(4)
    ]
    return tf.reshape(tf.stack(parts), [-1, tf.size(columns)])[:rows]


def fill_up(
    image: tf.Tensor,
    label: tf.Tensor,
    *,
    crop_size: tuple[int, int],
    channels: int,
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
    image = tf.ensure_shape(image, (*crop_size, channels))
    return image, tf.ensure_shape(label, crop_size)
