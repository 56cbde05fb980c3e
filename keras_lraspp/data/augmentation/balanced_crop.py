"""Random scale and crop, where no class may fill the crop."""

from collections.abc import Sequence

import tensorflow as tf

from keras_lraspp.data.augmentation.scale_crop import (
    crop_scaled_image,
    crop_scaled_label,
    fill_up,
    random_step,
)
from keras_lraspp.data.augmentation.spans import random_span


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

    The scale stays. As mmsegmentation's `cat_max_ratio`, but that where no try is good
    enough the best of them is taken, not the last.

    Args:
        image: uint8 (height, width, 3).
        label: Integers (height, width).
        seed: int32 or int64 (2,); the first try is that of `random_scale_crop`.
        crop_size: As in `random_scale_crop`.
        scales: As in `random_scale_crop`.
        max_class_share: The largest share of the labelled pixels that a class may have.
        tries: How many offsets at most.
        ignore_label: As in `random_scale_crop`; these pixels count nowhere.

    Returns:
        As `random_scale_crop`.
    """
    choice, *offset_seeds = tf.unstack(tf.random.split(seed, 3))
    step = random_step(choice, scales)
    sides = tf.unstack(tf.shape(label), 2)

    def spans(attempt):
        return [
            random_span(side, step, length, _seed_of(attempt, offset_seed))
            for side, length, offset_seed in zip(
                sides, crop_size, offset_seeds, strict=True
            )
        ]

    def share(attempt):
        return class_share(crop_scaled_label(label, *spans(attempt)), ignore_label)

    def another(attempt, best, smallest):
        found = share(attempt)
        better = found < smallest
        return (
            attempt + 1,
            tf.where(better, attempt, best),
            tf.where(better, found, smallest),
        )

    first = tf.constant(0)
    _, best, _ = tf.while_loop(
        lambda attempt, best, smallest: smallest > max_class_share,
        another,
        (first + 1, first, share(first)),
        maximum_iterations=tries - 1,
    )
    rows, columns = spans(best)
    image = crop_scaled_image(image, rows, columns, step)
    label = crop_scaled_label(label, rows, columns)
    return fill_up(image, label, crop_size=crop_size, ignore_label=ignore_label)


def class_share(label: tf.Tensor, ignore_label: int | None) -> tf.Tensor:
    """Share that the largest class has of the labelled pixels.

    Args:
        label: Integers (height, width).
        ignore_label: Not counted.

    Returns:
        Scalar float32, 1 where nothing is labelled.
    """
    values = tf.cast(tf.reshape(label, [-1]), tf.int32)
    if ignore_label is not None:
        values = tf.boolean_mask(values, values != ignore_label)
    largest = tf.reduce_max(tf.concat([tf.math.bincount(values), [0]], axis=0))
    count = tf.size(values)
    return tf.where(count > 0, tf.cast(largest / tf.maximum(count, 1), tf.float32), 1.0)


def _seed_of(attempt: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.where(attempt > 0, tf.random.fold_in(seed, attempt), seed)
