"""A policy of KerasCV's layers; the only file that imports keras_cv."""

import importlib
from types import ModuleType

from keras_lraspp.data.augmentation.settings import (
    check_crop_size,
    check_probability,
    check_range,
)
from keras_lraspp.data.augmentation.stateless_layers import Step, without_state
from keras_lraspp.data.augmentation.transforms import Transform
from keras_lraspp.errors import InputError


def keras_cv_transform(
    *,
    crop_size: tuple[int, int] | None = (512, 1024),
    scales: tuple[float, float] = (0.5, 2.0),
    flip: float = 0.5,
    operations: int = 2,
    magnitude: float = 0.3,
    magnitude_deviation: float = 0.15,
    grid_mask: float = 0.0,
    grid_ratios: tuple[float, float] = (0.0, 0.5),
    ignore_label: int | None = 255,
) -> Transform:
    """KerasCV's JitteredResize, RandomFlip, RandAugment and GridMask, in this order.

    Of RandAugment only the operations on colour are used: auto contrast, equalize,
    solarize, colour, contrast and brightness. The layers run in float32, whatever
    precision the network has.

    Args:
        crop_size: Height and width of what JitteredResize gives; `None` leaves it out.
            Where the scaled image is smaller, it is filled up on the right and at the
            bottom, the image with black, labels with the ignore label.
        scales: Range of JitteredResize's uniform scale.
        flip: Probability of the horizontal flip.
        operations: Colour operations in a row, each drawn anew and applied 10 times
            out of 11; 0 leaves them out.
        magnitude: How strong they are on average, 0..1.
        magnitude_deviation: Standard deviation of that, 0..1.
        grid_mask: Probability of GridMask, which blackens squares of the image. Their
            labels stay: the network is to learn them from what is around.
        grid_ratios: Range of a square's side over the grid's.
        ignore_label: Fills up the labels.

    Returns:
        A function of image, label and seed; the same seed gives the same result.

    Raises:
        InputError: If a value is outside its range, or keras_cv cannot be imported.
    """
    if crop_size is not None:
        check_crop_size(crop_size)
        check_range("keras_cv_transform.scales", scales, 0.01)
    check_probability("keras_cv_transform.flip", flip)
    check_probability("keras_cv_transform.grid_mask", grid_mask)
    check_range("keras_cv_transform.grid_ratios", grid_ratios, 0.0, 1.0)
    _check_strength(operations, magnitude, magnitude_deviation)
    keras_cv = _keras_cv()
    layers = keras_cv.layers
    # Without a seed a layer would make TensorFlow's global generator; none is used.
    steps = [Step(layers.RandomFlip(rate=flip, seed=1))]
    if crop_size is not None:
        size, scales = tuple(map(int, crop_size)), tuple(map(float, scales))
        jittered = layers.JitteredResize(size, scale_factor=scales, seed=1)
        steps.insert(0, Step(jittered))
    if operations:
        colors = layers.RandAugment(
            (0, 255),
            augmentations_per_image=operations,
            magnitude=magnitude,
            magnitude_stddev=magnitude_deviation,
            geometric=False,
            seed=1,
        )
        steps.append(Step(colors))
    if grid_mask:
        squares = layers.GridMask(tuple(map(float, grid_ratios)), seed=1)
        steps.append(Step(squares, probability=grid_mask))
    return without_state(
        steps, keras_cv.core, crop_size=crop_size, ignore_label=ignore_label
    )


def _check_strength(operations, magnitude, magnitude_deviation) -> None:
    if operations < 0:
        raise InputError(
            f"keras_cv_transform.operations is a number from 0 up, not {operations!r}."
        )
    for name, value in (
        ("magnitude", magnitude),
        ("magnitude_deviation", magnitude_deviation),
    ):
        if not 0 <= value <= 1:
            raise InputError(f"keras_cv_transform.{name} is in 0..1, not {value!r}.")


def _keras_cv() -> ModuleType:
    try:
        return importlib.import_module("keras_cv")
    except Exception as error:  # an old package under a new Keras may raise anything
        raise InputError(
            f"keras_cv_transform needs keras-cv, which cannot be imported ({error}); "
            'run `pip install "keras-cv>=0.9"` or choose another transform.'
        ) from error
