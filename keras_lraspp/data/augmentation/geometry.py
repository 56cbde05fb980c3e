"""Random rotation, random resized part and Gaussian blur of images and labels."""

import math
from typing import Annotated

import tensorflow as tf

from keras_lraspp.data.augmentation.recipe import Transform, check_ascending
from keras_lraspp.data.augmentation.scale_crop import PAD_PIXEL
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Bounds, Int32, Share, check_call

_Area = Annotated[float, Bounds(0.01, 1)]
_Aspect = Annotated[float, Bounds(0.1, 10)]
_Sigma = Annotated[float, Bounds(0.01, 100)]  # pixels
_TRIES = 10  # as torchvision's RandomResizedCrop and PaddleSeg's RandomScaleAspect
_REACH = 4.0  # sigmas; beyond it, 1 part in 16000 of the weight


def rotation_transform(
    *,
    probability: Share = 0.5,
    max_degrees: Annotated[float, Bounds(0, 180)] = 10.0,
    expand: bool = False,
    ignore_label: Int32 | None = 255,
) -> Transform:
    """Turns some images by a random angle.

    The corners that come into view are filled as PaddleSeg fills them: the image with
    mid-grey (`PAD_PIXEL`, zero for the network), labels with the ignore
    label.

    Args:
        probability: Of turning an image.
        max_degrees: The angle is uniform in -max_degrees..max_degrees.
        expand: Enlarges the frame so that nothing is lost, as PaddleSeg does; a crop
            has to follow then. Otherwise the size stays and corners are cut off.
        ignore_label: Fills up the labels.

    Returns:
        A function of image, label and seed.

    Raises:
        InputError: If a value is outside its range, or there is no ignore label.
    """
    check_call("rotation_transform", rotation_transform, locals())
    if ignore_label is None:
        raise InputError(
            "rotation_transform fills corners with the ignore label, but the data set "
            "has none; give it an ignore_label or leave the rotation out."
        )
    max_degrees = float(max_degrees)

    def turn(image, label, seed):
        degrees = tf.random.stateless_uniform([], seed, -max_degrees, max_degrees)
        return rotate(image, label, degrees, expand=expand, ignore_label=ignore_label)

    return _apply_sometimes(turn, probability)


def rotate(
    image: tf.Tensor,
    label: tf.Tensor,
    degrees: tf.Tensor | float,
    *,
    expand: bool,
    ignore_label: int,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Turns image (bilinear) and label (nearest) about their centre.

    Args:
        image: uint8 (height, width, channels).
        label: uint8 or int32 (height, width).
        degrees: The angle, counter-clockwise.
        expand: Whether the frame grows to hold the whole image; else the size stays.
        ignore_label: Fills up the labels; the image is filled with `PAD_PIXEL`.
    """
    size = tf.shape(label)
    angle = tf.cast(degrees, tf.float64) * (math.pi / 180)
    sine, cosine = tf.sin(angle), tf.cos(angle)
    if expand:
        height, width = tf.unstack(tf.cast(size, tf.float64), 2)
        grown = tf.stack(
            [
                height * tf.abs(cosine) + width * tf.abs(sine),
                width * tf.abs(cosine) + height * tf.abs(sine),
            ]
        )
        new_size = tf.cast(tf.round(grown), tf.int32)
    else:
        new_size = size
    matrix = _source_projection(size, new_size, sine, cosine)
    turned = _warp(tf.cast(image, tf.float32), matrix, new_size, PAD_PIXEL, "BILINEAR")
    turned = tf.cast(turned + 0.5, tf.uint8)
    labels = _warp(label[..., None], matrix, new_size, ignore_label, "NEAREST")[..., 0]
    if not expand:
        turned.set_shape(image.shape)
        labels.set_shape(label.shape)
    return turned, labels


def _source_projection(
    size: tf.Tensor, new_size: tf.Tensor, sine: tf.Tensor, cosine: tf.Tensor
) -> tf.Tensor:
    """Projection from new to old pixels: float32 (1, 8), rows of a matrix, x first.

    Centres of pixels are at whole numbers, and the middle of the new frame comes from
    the middle of the old one.
    """
    middle_y, middle_x = tf.unstack((tf.cast(size, tf.float64) - 1) / 2, 2)
    new_y, new_x = tf.unstack((tf.cast(new_size, tf.float64) - 1) / 2, 2)
    row_x = [cosine, -sine, middle_x - cosine * new_x + sine * new_y]
    row_y = [sine, cosine, middle_y - sine * new_x - cosine * new_y]
    return tf.cast(tf.stack([*row_x, *row_y, 0.0, 0.0])[None], tf.float32)


def _warp(
    image: tf.Tensor,
    matrix: tf.Tensor,
    size: tf.Tensor,
    fill: int,
    interpolation: str,
) -> tf.Tensor:
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=image[None],
        transforms=matrix,
        output_shape=size,
        fill_value=float(fill),
        interpolation=interpolation,
        fill_mode="CONSTANT",
    )[0]


def scale_aspect_transform(
    *,
    probability: Share = 1.0,
    areas: tuple[_Area, _Area] = (0.5, 1.0),
    aspects: tuple[_Aspect, _Aspect] = (0.75, 4 / 3),
    ignore_label: Int32 | None = None,
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
    check_call("scale_aspect_transform", scale_aspect_transform, locals())
    check_ascending("scale_aspect_transform.areas", areas)
    check_ascending("scale_aspect_transform.aspects", aspects)
    areas, aspects = tuple(areas), tuple(aspects)

    def enlarge(image, label, seed):
        box = random_part(tf.shape(label), seed, areas=areas, aspects=aspects)
        return stretch(image, label, box)

    return _apply_sometimes(enlarge, probability)


def random_part(
    size: tf.Tensor,
    seed: tf.Tensor,
    *,
    areas: tuple[float, float],
    aspects: tuple[float, float],
) -> tf.Tensor:
    """Chooses a part of an image: the first of ten tries that lies inside it, or all.

    Args:
        size: Height and width of the image, int32 (2,).
        seed: int32 or int64 (2,).
        areas: Range of the part's share of the area.
        aspects: Range of the part's proportion over the image's.

    Returns:
        Top, left, height and width in pixels, int32 (4,).
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
    """Resizes a part, (top, left, height, width), of image and label to the whole.

    The image is interpolated bilinearly (half-pixel centres, no antialias); the source
    index of labels is floor(index * part / whole).
    """
    top, left, height, width = tf.unstack(box, 4)
    size = tf.shape(label)
    part = image[top : top + height, left : left + width]
    resized = tf.raw_ops.ResizeBilinear(
        images=part[None], size=size, half_pixel_centers=True
    )[0]
    rows = top + tf.range(size[0]) * height // size[0]
    columns = left + tf.range(size[1]) * width // size[1]
    labels = tf.gather(tf.gather(label, rows), columns, axis=1)
    resized = tf.cast(resized + 0.5, tf.uint8)
    resized.set_shape(image.shape)
    labels.set_shape(label.shape)
    return resized, labels


def blur_transform(
    *,
    probability: Share = 0.5,
    sigmas: tuple[_Sigma, _Sigma] = (0.1, 2.0),
    ignore_label: Int32 | None = None,
) -> Transform:
    """Blurs some images, as a lens out of focus does.

    Args:
        probability: Of blurring an image.
        sigmas: Range of the uniform standard deviation, in pixels.
        ignore_label: Not used; every transform takes it.

    Returns:
        A function of image, label and seed, that keeps the size.

    Raises:
        InputError: If a value is outside its range.
    """
    check_call("blur_transform", blur_transform, locals())
    check_ascending("blur_transform.sigmas", sigmas)
    sigmas = tuple(sigmas)
    radius = math.ceil(_REACH * sigmas[1])

    def blur(image, label, seed):
        sigma = tf.random.stateless_uniform([], seed, *sigmas)
        return gaussian_blur(image, sigma, radius=radius), label

    return _apply_sometimes(blur, probability)


def gaussian_blur(image: tf.Tensor, sigma: tf.Tensor, *, radius: int) -> tf.Tensor:
    """Convolves with a Gaussian; beyond the border, its nearest pixel goes on.

    Args:
        image: uint8 (height, width, channels).
        sigma: Standard deviation in pixels, scalar float32.
        radius: The kernel is cut off there; it has 2 * radius + 1 weights, of sum 1.
    """
    places = tf.range(-radius, radius + 1)
    weights = tf.exp(-0.5 * (tf.cast(places, tf.float32) / sigma) ** 2)
    weights /= tf.reduce_sum(weights)
    blurred = tf.cast(image, tf.float32)[None]
    for axis in (1, 2):
        blurred = _convolve(blurred, weights, axis, radius)
    blurred = tf.cast(blurred[0] + 0.5, tf.uint8)
    blurred.set_shape(image.shape)
    return blurred


def _convolve(
    images: tf.Tensor, weights: tf.Tensor, axis: int, radius: int
) -> tf.Tensor:
    """Convolves (1, height, width, channels) along one axis."""
    side = tf.shape(images)[axis]
    places = tf.clip_by_value(tf.range(-radius, side + radius), 0, side - 1)
    shape = [1, 1, 1, 1]
    shape[axis - 1] = 2 * radius + 1
    channels = tf.shape(images)[3]
    kernel = tf.tile(tf.reshape(weights, shape), [1, 1, channels, 1])
    return tf.nn.depthwise_conv2d(
        tf.gather(images, places, axis=axis), kernel, [1, 1, 1, 1], "VALID"
    )


def _apply_sometimes(change: Transform, probability: float) -> Transform:
    """A transform that changes a sample or leaves it as it is."""

    def transform(image, label, seed):
        choice, own_seed = tf.unstack(tf.random.split(seed, 2))
        return tf.cond(
            tf.random.stateless_uniform([], choice) < probability,
            lambda: change(image, label, own_seed),
            lambda: (image, label),
        )

    return transform
