"""The augmentation recipe of training, and transforms composed in order."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Annotated

import tensorflow as tf

from keras_lraspp.data.augmentation.color import random_color
from keras_lraspp.data.augmentation.scale_crop import (
    random_balanced_crop,
    random_scale_crop,
    scale_crop_window,
)
from keras_lraspp.data.window import CropFirst, Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import MAX_PIXELS
from keras_lraspp.schema import (
    Bounds,
    Int32,
    Rate,
    Share,
    check_argument,
    check_call,
)

# (uint8 image, label, integer seed of shape (2,)) -> (uint8 image, label)
Transform = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]

CropSize = tuple[Annotated[int, Bounds(1, 65_536)], Annotated[int, Bounds(1, 65_536)]]
Scale = Annotated[float, Bounds(0.01, 100)]


def recipe_transform(
    *,
    crop_size: CropSize = (512, 1024),
    scales: Annotated[Sequence[Scale], Bounds(1, 1000)] = (
        0.5,
        0.75,
        1.0,
        1.25,
        1.5,
        1.75,
        2.0,
    ),
    flip: Share = 0.5,
    color: Share = 0.5,
    color_factors: tuple[Rate, Rate] = (0.5, 1.5),
    hue: Annotated[float, Bounds(0, 256)] = 18.0,
    max_class_share: Annotated[float, Bounds(above=0, most=1)] | None = None,
    crop_tries: Annotated[int, Bounds(1, 1000)] = 10,
    ignore_label: Int32 | None = 255,
) -> Transform:
    """The reference's training transforms, in its order.

    Scale, crop (and fill up), horizontal flip, colour.

    Args:
        crop_size: Height and width of the crop.
        scales: Scales, each as likely.
        flip: Probability of the flip.
        color: Probability of each of brightness, contrast, saturation and hue; see
            `random_color` for images of other channels than RGB.
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
    check_call("recipe_transform", recipe_transform, locals())
    check_crop_size("recipe_transform.crop_size", crop_size)
    check_ascending("recipe_transform.color_factors", color_factors)
    crop = {"crop_size": tuple(crop_size), "scales": tuple(scales)}
    if max_class_share is None:
        crop_step = CropFirst(
            partial(random_scale_crop, **crop, ignore_label=ignore_label),
            partial(scale_crop_window, **crop),
        )
    else:
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
    ignore_label: Int32 | None = 255,
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
    check_argument("transforms_in_order.ignore_label", ignore_label, Int32 | None)
    is_list = isinstance(steps, Sequence) and len(steps) > 0
    if not is_list or not all(map(callable, steps)):
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
    """Mirrors image (height, width, channels) and label (height, width), or neither."""
    mirrored = tf.random.stateless_uniform([], seed) < probability
    return tf.cond(
        mirrored,
        lambda: (tf.reverse(image, [1]), tf.reverse(label, [1])),
        lambda: (image, label),
    )


def check_crop_size(name: str, size: Sequence[int]) -> None:
    """Refuses a crop with more pixels than an image may have."""
    if math.prod(map(int, size)) > MAX_PIXELS:
        raise InputError(
            f"{name} is (height, width) of at most {MAX_PIXELS} pixels, not {size!r}."
        )


def check_ascending(name: str, values: Sequence[float]) -> None:
    """Refuses a range whose end is below its beginning."""
    if values[0] > values[1]:
        raise InputError(f"{name} are (lowest, highest), not {values!r}; swap them.")
