"""Bilinear resize to the size of another tensor."""

import keras


@keras.saving.register_keras_serializable("keras_lraspp")
class ResizeLike(keras.layers.Layer):
    """Resizes a feature map bilinearly to the height and width of another.

    Half-pixel centres, no antialiasing: what PyTorch and Paddle call
    `align_corners=False`. Unlike `keras.layers.Resizing` and `UpSampling2D` the
    size may be known only at run time, on TensorFlow too.
    """

    def call(self, inputs, reference):
        """Resizes `inputs`.

        Args:
            inputs: Float tensor (B, h, w, C).
            reference: Tensor (B, H, W, any) of any dtype; only its size is used.

        Returns:
            Tensor (B, H, W, C) of the layer's compute dtype.
        """
        if inputs.shape[1:3] == reference.shape[1:3] and None not in inputs.shape[1:3]:
            return inputs
        if keras.backend.backend() != "tensorflow":
            return resize_bilinear(inputs, reference.shape[1:3])
        import tensorflow as tf

        resized = resize_bilinear(inputs, tf.shape(reference)[1:3])
        resized = tf.cast(resized, self.compute_dtype)
        resized.set_shape(self.compute_output_shape(inputs.shape, reference.shape))
        return resized

    def compute_output_shape(self, inputs_shape, reference_shape):
        """Returns (B, H, W, C)."""
        batch, _, _, channels = inputs_shape
        return (batch, *reference_shape[1:3], channels)


def resize_bilinear(inputs, size):
    """Resizes bilinearly: half-pixel centres, no antialiasing.

    Args:
        inputs: Float tensor (B, h, w, C).
        size: (height, width); on TensorFlow each may be a tensor.

    Returns:
        Tensor (B, *size, C); on TensorFlow float32, else of the inputs' dtype.
    """
    if keras.backend.backend() != "tensorflow":
        return keras.ops.image.resize(
            inputs, size, interpolation="bilinear", data_format="channels_last"
        )
    # keras.ops.image.resize compares the size in Python, which a symbolic size does
    # not allow.
    import tensorflow as tf

    return tf.image.resize(inputs, size, method="bilinear")
