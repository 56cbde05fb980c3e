"""The augmentation of the recipe, and how steps are put together."""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from keras_lraspp.data.color import random_color
from keras_lraspp.data.scale_crop import random_scale_crop
from keras_lraspp.errors import InputError

Transform = Callable[
    [tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]
]  # (uint8 image, label, integer seed of shape (2,)) -> (uint8 image, label)


def recipe_transform(
    *,
    crop_size: tuple[int, int] = (512, 1024),
    scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    flip: float = 0.5,
    color: float = 0.5,
    color_factors: tuple[float, float] = (0.5, 1.5),
    hue: float = 18.0,
    ignore_label: int | None = 255,
) -> Transform:
    """The reference's training transforms, in its order.

    Scale, crop (and fill up), horizontal flip, colour.

    Args:
        crop_size: Height and width of the crop.
        scales: Scales, each as likely.
        flip: Probability of the flip.
        color: Probability of each of brightness, contrast, saturation and hue.
        color_factors: Range of the factor of the first three; 1 changes nothing.
        hue: Largest shift of the hue, on a circle of 256.
        ignore_label: Fills up labels where the crop is larger than the image.

    Returns:
        A function of image, label and seed; the same seed gives the same result.

    Raises:
        InputError: If a value is outside its range.
    """
    _check(crop_size, scales, flip, color, color_factors)
    return in_order(
        partial(
            random_scale_crop,
            crop_size=tuple(crop_size),
            scales=tuple(scales),
            ignore_label=ignore_label,
        ),
        partial(random_flip, probability=flip),
        partial(random_color, probability=color, factors=tuple(color_factors), hue=hue),
    )


def in_order(*steps: Transform) -> Transform:
    """One transform that applies the steps, each with a seed of its own."""

    def transform(image, label, seed):
        for place, step in enumerate(steps):
            own_seed = tf.random.fold_in(seed, place)
            image, label = step(image, label, own_seed)
        return image, label

    return transform


def random_flip(
    image: tf.Tensor, label: tf.Tensor, seed: tf.Tensor, *, probability: float = 0.5
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors image and label left to right, or not.

    Args:
        image: (height, width, 3).
        label: (height, width).
        seed: int32 or int64 (2,).
        probability: Of mirroring.

    Returns:
        Image and label, both mirrored or both as they were.
    """
    mirrored = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(
        mirrored,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def _check(crop_size, scales, flip, color, color_factors) -> None:
    if not _several(crop_size, 2) or min(crop_size) < 1:
        raise InputError(
            f"crop_size is (height, width), both positive, not {crop_size!r}."
        )
    if not _several(scales) or min(scales) < 0.01:
        raise InputError(f"scales are numbers of at least 0.01, not {scales!r}.")
    for name, value in (("flip", flip), ("color", color)):
        if not 0 <= value <= 1:
            raise InputError(f"{name} is a probability 0..1, not {value!r}.")
    if not _several(color_factors, 2) or not 0 <= color_factors[0] <= color_factors[1]:
        raise InputError(
            f"color_factors are (lowest, highest) from 0 up, not {color_factors!r}."
        )


def _several(values, count: int | None = None) -> bool:
    """Whether it is a tuple or list, of that length; a lone number is a usual slip."""
    return isinstance(values, Sequence) and len(values) == (count or len(values)) > 0
