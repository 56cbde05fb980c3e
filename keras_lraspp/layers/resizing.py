"""Bilinear resize to the size of another tensor, and 49x49 average pooling."""

import functools

import keras
import numpy as np
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.layers.cpu_fusion import can_fuse, xla_fused
from keras_lraspp.layers.pointwise_tensorflow import remember_enlarging


@register_class
class ResizeLike(keras.layers.Layer):
    """Resizes a feature map bilinearly to the height and width of another.

    Half-pixel centres, no antialiasing: what PyTorch and Paddle call
    `align_corners=False`. Unlike `keras.layers.Resizing` and `UpSampling2D` the
    size may be known only at run time, on TensorFlow too. In training on TensorFlow's
    CPU the gradient of an enlargement by a whole factor is two loops that XLA makes:
    TensorFlow's kernel has one thread, and takes 20 instead of 2.5 ms for the logits of
    4x256x512.

    Args:
        align_corners: Whether the centres of the corner pixels lie on each other
            instead, as in PyTorch's `align_corners=True`.
        **kwargs: Arguments of `keras.layers.Layer`.
    """

    def __init__(self, align_corners=False, **kwargs):
        super().__init__(**kwargs)
        self.align_corners = align_corners

    def call(self, inputs, reference, training=None):
        """Resizes `inputs`.

        Args:
            inputs: Float tensor (B, h, w, C).
            reference: Tensor (B, H, W, any) of any dtype; only its size is used.
            training: Whether a gradient may be taken.

        Returns:
            Tensor (B, H, W, C) of the layer's compute dtype.
        """
        if inputs.shape[1:3] == reference.shape[1:3] and None not in inputs.shape[1:3]:
            return inputs
        resize = resize_align_corners if self.align_corners else resize_bilinear
        if keras.backend.backend() != "tensorflow":
            return resize(inputs, reference.shape[1:3])
        import tensorflow as tf

        enlarge = None
        if training and not self.align_corners and can_fuse(inputs, reference):
            enlarge = functools.partial(_enlarge, size=tuple(reference.shape[1:3]))
            resized = enlarge(inputs)
        else:
            resized = resize(inputs, tf.shape(reference)[1:3])
        resized = tf.cast(resized, self.compute_dtype)
        resized.set_shape(self.compute_output_shape(inputs.shape, reference.shape))
        if enlarge is not None:
            remember_enlarging(resized, inputs, enlarge)
        return resized

    def compute_output_shape(self, inputs_shape, reference_shape):
        """Returns (B, H, W, C)."""
        batch, _, _, channels = inputs_shape
        return (batch, *reference_shape[1:3], channels)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "align_corners": self.align_corners}


def resize_bilinear(inputs, size):
    """Resizes (B, h, w, C) bilinearly: half-pixel centres, no antialiasing.

    On TensorFlow each side of `size` may be a tensor, and the result is float32.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.ops.image.resize(
            inputs, size, interpolation="bilinear", data_format="channels_last"
        )
    # keras.ops.image.resize compares the size in Python, which a symbolic size does
    # not allow.
    import tensorflow as tf

    return tf.image.resize(inputs, size, method="bilinear")


def _enlarge(inputs, size):
    """`resize_bilinear` to a known size, with a fast gradient for whole factors."""
    import tensorflow as tf

    sides = tuple(inputs.shape[1:3])
    if any(large % small for large, small in zip(size, sides, strict=True)):
        return resize_bilinear(inputs, size)
    rows, columns = (large // small for large, small in zip(size, sides, strict=True))

    @tf.custom_gradient
    def of(x):
        def gradient(upstream):
            # Rows first: the loop over columns then has less to do.
            upstream = _enlarging_gradient(1, rows)(upstream)
            upstream = _enlarging_gradient(2, columns)(upstream)
            return tf.cast(upstream, x.dtype)

        return resize_bilinear(x, size), gradient

    return of(inputs)


@functools.cache
def _enlarging_gradient(axis, factor):
    """Returns the gradient of enlarging by a whole factor along an axis."""

    def gradient(upstream):
        shape = list(upstream.shape)
        cells = shape[axis] // factor
        shape[axis : axis + 1] = [cells, factor]
        # An output lies between its own cell and one neighbour, or at the edge.
        own, before, after = 0.0, 0.0, 0.0
        parts = ops.unstack(ops.reshape(upstream, shape), axis=axis + 1)
        for index, part in enumerate(parts):
            place = (index + 0.5) / factor - 0.5
            own = own + part * (1.0 - abs(place))
            if place < 0:
                before = before + part * -place
            if place > 0:
                after = after + part * place

        def shifted(values, first, last, pad):
            cut = [slice(None)] * 4
            cut[axis] = slice(first, last)
            pads = [(0, 0)] * 4
            pads[axis] = pad
            return ops.pad(values[tuple(cut)], pads)

        if factor == 1:
            return own
        own = own + shifted(before, 1, cells, (0, 1)) + shifted(after, 0, -1, (1, 0))
        own = own + shifted(before, 0, 1, (0, cells - 1))
        return own + shifted(after, cells - 1, cells, (cells - 1, 0))

    return xla_fused(gradient)


def resize_align_corners(inputs, size):
    """Resizes (B, h, w, C) bilinearly with the corners' centres on each other.

    On TensorFlow each side of `size` may be a tensor, and the result is float32.
    """
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.raw_ops.ResizeBilinear(images=inputs, size=size, align_corners=True)
    for axis, side in zip((1, 2), size, strict=True):
        inputs = _stretch(inputs, axis, side)
    return inputs


def _stretch(inputs, axis, size):
    """Interpolates linearly along an axis, to points from its first to its last."""
    last = inputs.shape[axis] - 1
    points = np.arange(size) * (last / max(size - 1, 1))
    low = np.minimum(points.astype(int), max(last - 1, 0))
    shape = [-1 if i == axis else 1 for i in range(len(inputs.shape))]
    share = keras.ops.cast(np.reshape(points - low, shape), inputs.dtype)
    below, above = (
        keras.ops.take(inputs, index, axis)
        for index in (low, np.minimum(low + 1, last))
    )
    return below + (above - below) * share


@register_class
class LargeKernelPool(keras.layers.AveragePooling2D):
    """Average pooling 49x49, stride 16 down and 20 across, "valid".

    The window of the R-ASPP head of the MobileNetV3 paper (section 6.4), as in
    PaddleSeg's `large_kernel` variant: a 512x1024 crop at output stride 8 gives
    1x4 cells. A feature map smaller than the window has no cell; then the layer
    raises and names the image side that is needed.

    Args:
        feature_stride: Image pixels per feature-map pixel (the network's output
            stride); only used to say the smallest image side.
        pool_size: Side of the square window, in feature-map pixels.
        strides: Window steps (down, across), in feature-map pixels.
        **kwargs: Arguments of `keras.layers.Layer`.

    Raises:
        ValueError: At build or call time if a side of the feature map is below
            the window's. TensorFlow graphs of unknown size raise
            `tf.errors.InvalidArgumentError` with the same sentence.
    """

    def __init__(self, feature_stride=8, pool_size=49, strides=(16, 20), **kwargs):
        super().__init__(
            pool_size=pool_size,
            strides=strides,
            padding="valid",
            data_format="channels_last",
            **kwargs,
        )
        self.feature_stride = feature_stride

    @property
    def smallest_side(self):
        """The smallest image side, in pixels, that fills one window."""
        return (max(self.pool_size) - 1) * self.feature_stride + 1

    def call(self, inputs):
        """Pools (B, h, w, C) to (B, (h - 49) // 16 + 1, (w - 49) // 20 + 1, C)."""
        self._check(inputs.shape)
        if keras.backend.backend() == "tensorflow" and None in inputs.shape[1:3]:
            import tensorflow as tf

            sides = tf.shape(inputs)[1:3]
            message = self._message("of this size")
            tf.debugging.assert_greater_equal(sides, self.pool_size, message=message)
        return super().call(inputs)

    def compute_output_shape(self, input_shape):
        """Returns the pooled shape, after checking known sides."""
        self._check(input_shape)
        return super().compute_output_shape(input_shape)

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        for fixed in ("padding", "data_format"):
            config.pop(fixed)
        return {**config, "feature_stride": self.feature_stride}

    def _check(self, shape):
        for side, window in zip(shape[1:3], self.pool_size, strict=True):
            if isinstance(side, int) and side < window:
                raise ValueError(self._message(f"of feature side {side}"))

    def _message(self, which):
        return (
            f"The large-kernel pooling needs an image whose sides are both at least "
            f"{self.smallest_side} pixels; an image {which} is too small. Use a "
            f'larger image or crop, or pooling="global".'
        )
