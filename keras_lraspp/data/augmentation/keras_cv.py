"""KerasCV's augmentation layers as a stateless transform of image and label."""

import importlib
from collections.abc import Callable, Sequence
from functools import cache, partial
from types import ModuleType
from typing import Annotated, NamedTuple

import tensorflow as tf

from keras_lraspp.data.augmentation.color import known_channels
from keras_lraspp.data.augmentation.recipe import (
    CropSize,
    Scale,
    Transform,
    check_ascending,
    check_crop_size,
)
from keras_lraspp.data.pipeline_errors import refuse_unless
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Bounds, Int32, Share, check_call


class _Step(NamedTuple):
    """A layer, and how often it is applied."""

    layer: Callable  # maps a dictionary of "images" and "segmentation_masks"
    probability: float = 1.0
    of_colors: bool = False


def keras_cv_transform(
    *,
    crop_size: CropSize | None = (512, 1024),
    scales: tuple[Scale, Scale] = (0.5, 2.0),
    flip: Share = 0.5,
    operations: Annotated[int, Bounds(0, 100)] = 2,
    magnitude: Share = 0.3,
    magnitude_deviation: Share = 0.15,
    grid_mask: Share = 0.0,
    grid_ratios: tuple[Share, Share] = (0.0, 0.5),
    ignore_label: Int32 | None = 255,
) -> Transform:
    """KerasCV's JitteredResize, RandomFlip, RandAugment and GridMask, in this order.

    Of RandAugment only the operations on colour are used: auto contrast, equalize,
    solarize, colour, contrast and brightness. A grey image gets what it gets as RGB; of
    four channels the first three are RGB; images of other numbers of channels keep
    their colours. The layers run in float32, whatever precision the network has.

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
    check_call("keras_cv_transform", keras_cv_transform, locals())
    check_crop_size("keras_cv_transform.crop_size", crop_size or ())
    check_ascending("keras_cv_transform.scales", scales)
    check_ascending("keras_cv_transform.grid_ratios", grid_ratios)
    keras_cv = _import_keras_cv()
    layers = keras_cv.layers
    # Without a seed a layer would make TensorFlow's global generator; none is used.
    steps = [_Step(layers.RandomFlip(rate=flip, seed=1))]
    if crop_size is not None:
        size, scales = tuple(map(int, crop_size)), tuple(map(float, scales))
        jittered = layers.JitteredResize(size, scale_factor=scales, seed=1)
        steps.insert(0, _Step(jittered))
    if operations:
        colors = layers.RandAugment(
            (0, 255),
            augmentations_per_image=operations,
            magnitude=magnitude,
            magnitude_stddev=magnitude_deviation,
            geometric=False,
            seed=1,
        )
        steps.append(_Step(colors, of_colors=True))
    if grid_mask:
        squares = layers.GridMask(tuple(map(float, grid_ratios)), seed=1)
        steps.append(_Step(squares, probability=grid_mask))
    return _compose_stateless(
        steps, keras_cv.core, crop_size=crop_size, ignore_label=ignore_label
    )


def _import_keras_cv() -> ModuleType:
    try:
        return importlib.import_module("keras_cv")
    except Exception as error:  # an old package under a new Keras may raise anything
        raise InputError(
            f"keras_cv_transform needs keras-cv, which cannot be imported ({error}); "
            'run `pip install "keras-cv>=0.9"` or choose another transform.'
        ) from error


def _compose_stateless(
    steps: Sequence[_Step],
    core: ModuleType,
    *,
    crop_size: tuple[int, int] | None,
    ignore_label: int | None,
) -> Transform:
    """Composes layers, which are changed, to a function of image, label and seed."""
    draws = _StatelessGenerator()
    for step in steps:
        for layer in step.layer._flatten_layers():
            _draw_from(draws, layer, core)

    def apply_all(channels, image, mask, seed):
        draws.start(seed)
        sample = {"images": image, "segmentation_masks": mask}
        for layer, probability, of_colors in steps:
            layer = partial(_on_colors, layer, channels) if of_colors else layer
            if probability == 1:
                sample = layer(sample)
            else:
                sample = tf.cond(
                    draws.uniform([]) < probability,
                    partial(layer, sample),
                    partial(dict, sample),
                )
        return sample["images"], sample["segmentation_masks"]

    # Of a known size, TensorFlow would turn divisions by it into products, and where
    # JitteredResize rounds halves some would go the other way: so no size is known.
    # A graph, since eagerly a branch that is not taken would draw nothing.
    @cache
    def applied(channels):
        signature = [
            tf.TensorSpec((None, None, channels), tf.float32),
            tf.TensorSpec((None, None, 1), tf.float32),
            tf.TensorSpec((2,), tf.int64),
        ]
        return tf.function(partial(apply_all, channels), input_signature=signature)

    def transform(image, label, seed):
        image, label = tf.convert_to_tensor(image), tf.convert_to_tensor(label)
        channels = known_channels(image)
        pixels, mask = applied(channels)(
            tf.cast(image, tf.float32),
            _shift_label(label, ignore_label),
            tf.cast(seed, tf.int64),
        )
        pixels = tf.cast(tf.clip_by_value(pixels + 0.5, 0.0, 255.0), tf.uint8)
        labels = _restore_label(mask, label.dtype, ignore_label)
        size = image.shape if crop_size is None else (*crop_size, channels)
        pixels.set_shape(size)
        labels.set_shape(label.shape if crop_size is None else crop_size)
        return pixels, labels

    return transform


def _on_colors(layer: Callable, channels: int, sample: dict) -> dict:
    """Applies a layer for RGB to those channels that are colours."""
    image = sample["images"]
    if channels == 3:
        return layer(sample)
    if channels not in (1, 4):
        return sample
    colors = tf.repeat(image, 3, axis=-1) if channels == 1 else image[..., :3]
    colors = layer({**sample, "images": colors})["images"]
    others = image[..., 3:]
    image = colors[..., :1] if channels == 1 else tf.concat([colors, others], axis=-1)
    return {**sample, "images": image}


class _StatelessGenerator:
    """Stands in for `tf.random.Generator`; the n-th draw follows from seed and n."""

    def start(self, seed: tf.Tensor) -> None:
        """Begins the draws of a sample with an int64 (2,) seed."""
        self._seed, self._count = seed, 0

    def _next(self) -> tf.Tensor:
        self._count += 1
        return tf.random.fold_in(self._seed, self._count)

    def uniform(self, shape, minval=0, maxval=None, dtype=tf.float32) -> tf.Tensor:
        """Draws as `tf.random.Generator.uniform`."""
        maxval = 1.0 if maxval is None else maxval
        return tf.random.stateless_uniform(shape, self._next(), minval, maxval, dtype)

    def normal(self, shape, mean=0.0, stddev=1.0, dtype=tf.float32) -> tf.Tensor:
        """Draws as `tf.random.Generator.normal`."""
        return tf.random.stateless_normal(shape, self._next(), mean, stddev, dtype)


def _draw_from(draws: _StatelessGenerator, layer: Callable, core: ModuleType) -> None:
    """Makes a layer draw from `draws` and compute in float32."""
    # KerasCV's layers take a seed, but no generator and no seed for each call: so the
    # attribute that its base layer documents for subclasses is replaced.
    layer._random_generator = draws
    layer.dtype_policy = "float32"
    # Samplers of factors have generators of their own.
    for name, value in list(vars(layer).items()):
        if isinstance(value, core.NormalFactorSampler):
            setattr(layer, name, partial(_normal_factor, draws, value))
        elif isinstance(value, core.UniformFactorSampler):
            setattr(layer, name, partial(_uniform_factor, draws, value))


def _normal_factor(draws, sampler, shape=(), dtype="float32") -> tf.Tensor:
    factor = draws.normal(shape, sampler.mean, sampler.stddev, dtype)
    return tf.clip_by_value(factor, sampler.min_value, sampler.max_value)


def _uniform_factor(draws, sampler, shape=(), dtype="float32") -> tf.Tensor:
    return draws.uniform(shape, sampler.lower, sampler.upper, dtype)


def _shift_label(label: tf.Tensor, ignore_label: int | None) -> tf.Tensor:
    """Labels as KerasCV takes them, one higher: it fills up with 0, here ignored."""
    mask = tf.cast(label, tf.float32) + 1
    if ignore_label is not None:
        mask = tf.where(label == ignore_label, 0.0, mask)
    return mask[..., None]


def _restore_label(
    mask: tf.Tensor, dtype: tf.DType, ignore_label: int | None
) -> tf.Tensor:
    label = tf.cast(mask[..., 0], tf.int32)
    if ignore_label is None:
        refuse_unless(
            tf.reduce_all(label > 0),
            "The crop of keras_cv_transform is larger than a scaled image and there is "
            "no ignore label to fill it up with; set ignore_label, or lower "
            "keras_cv_transform.crop_size or raise its scales.",
        )
    label = tf.where(label == 0, ignore_label or 0, label - 1)
    return tf.cast(label, dtype)
