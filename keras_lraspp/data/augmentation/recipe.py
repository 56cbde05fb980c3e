"""The augmentation recipe of training, and transforms composed in order."""

from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from keras_lraspp.data.augmentation.color import random_color
from keras_lraspp.data.augmentation.scale_crop import (
    random_balanced_crop,
    random_scale_crop,
    scale_crop_window,
)
from keras_lraspp.data.window import CropFirst, Window
from keras_lraspp.errors import InputError

# (uint8 image, label, integer seed of shape (2,)) -> (uint8 image, label)
Transform = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


def recipe_transform(
    *,
    crop_size: tuple[int, int] = (512, 1024),
    scales: Sequence[float] = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0),
    flip: float = 0.5,
    color: float = 0.5,
    color_factors: tuple[float, float] = (0.5, 1.5),
    hue: float = 18.0,
    max_class_share: float | None = None,
    crop_tries: int = 10,
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
        max_class_share: Other crops are tried while a class has more than this share
            of the labelled pixels; the reference takes the first. Labels and images
            are decoded whole then.
        crop_tries: How many crops at most; if all exceed the share, the best is taken.
        ignore_label: Fills up labels where the crop is larger than the image.

    Returns:
        A function of image, label and seed; the same seed gives the same result.

    Raises:
        InputError: If a value is outside its range.
    """
    check_crop_size(crop_size)
    if not _is_list(scales) or min(scales) < 0.01:
        raise InputError(f"scales are numbers of at least 0.01, not {scales!r}.")
    check_probability("flip", flip)
    check_probability("color", color)
    check_range("color_factors", color_factors)
    crop = {"crop_size": tuple(crop_size), "scales": tuple(scales)}
    if max_class_share is None:
        crop_step = CropFirst(
            partial(random_scale_crop, **crop, ignore_label=ignore_label),
            partial(scale_crop_window, **crop),
        )
    else:
        if not 0 < max_class_share <= 1:
            raise InputError(
                f"max_class_share is a share above 0, up to 1, not {max_class_share!r}."
            )
        if crop_tries < 1:
            raise InputError(f"crop_tries is at least 1, not {crop_tries!r}.")
        crop_step = partial(
            random_balanced_crop,
            **crop,
            max_class_share=max_class_share,
            tries=crop_tries,
            ignore_label=ignore_label,
        )
    return compose(
        crop_step,
        partial(random_flip, probability=flip),
        partial(random_color, probability=color, factors=tuple(color_factors), hue=hue),
    )


def transforms_in_order(
    *,
    steps: Sequence[Callable[..., Transform]],
    ignore_label: int | None = 255,
) -> Transform:
    """Several transforms, one after the other, each with a seed of its own.

    Args:
        steps: Each called as `step(ignore_label=...)`, as `recipe_transform` is. The
            last of those that change the size has to make it a fixed one.
        ignore_label: Given to each of them.

    Returns:
        A function of image, label and seed; the same seed gives the same result.

    Raises:
        InputError: If the steps are no list of transforms that are yet to be called.
    """
    if not _is_list(steps) or not all(map(callable, steps)):
        raise InputError(
            "transforms_in_order.steps is a list of transforms, as "
            f"[@recipe_transform, @blur_transform], not {steps!r}."
        )
    try:
        transforms = [step(ignore_label=ignore_label) for step in steps]
    except TypeError as error:
        raise InputError(
            "transforms_in_order.steps names transforms without (), as "
            f"@recipe_transform; {error}."
        ) from error
    return compose(*transforms)


def compose(*steps: Transform) -> Transform:
    """One transform that applies the steps, each with a seed of its own.

    It is `CropFirst` if the first step is.
    """

    def transform(image, label, seed, window: Window | None = None):
        for number, step in enumerate(steps):
            own_seed = tf.random.fold_in(seed, number)
            crop = {} if number or window is None else {"window": window}
            image, label = step(image, label, own_seed, **crop)
        return image, label

    if not steps or not isinstance(steps[0], CropFirst):
        return transform

    def window(height, width, seed):
        return steps[0].window(height, width, tf.random.fold_in(seed, 0))

    return CropFirst(transform, window)


def random_flip(
    image: tf.Tensor, label: tf.Tensor, seed: tf.Tensor, *, probability: float = 0.5
) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors image (height, width, 3) and label (height, width), or neither."""
    mirrored = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(
        mirrored,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def _is_list(values, count: int | None = None) -> bool:
    """Whether it is a tuple or list, of that length; a lone number is a usual slip."""
    return isinstance(values, Sequence) and len(values) == (count or len(values)) > 0


def check_probability(name: str, value: float) -> None:
    """Refuses a value outside of 0..1."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is a probability 0..1, not {value!r}.")


def check_crop_size(crop_size: Sequence[int]) -> None:
    """Refuses a crop size that is not two positive numbers."""
    if not _is_list(crop_size, 2) or min(crop_size) < 1:
        raise InputError(
            f"crop_size is (height, width), both positive, not {crop_size!r}."
        )


def check_range(
    name: str,
    values: Sequence[float],
    lowest: float = 0.0,
    highest: float = float("inf"),
) -> None:
    """Refuses a range that is not two ascending numbers within the bounds."""
    if not _is_list(values, 2) or not lowest <= values[0] <= values[1] <= highest:
        upper = "up" if highest == float("inf") else f"to {highest:g}"
        raise InputError(
            f"{name} are (lowest, highest) from {lowest:g} {upper}, not {values!r}."
        )
