"""The gate of the reference's squeeze-and-excitation block."""

import keras


@keras.saving.register_keras_serializable("keras_lraspp")
class HardGate(keras.layers.Layer):
    """Piecewise linear sigmoid: clip(0.2 x + 0.5, 0, 1).

    PaddleSeg's MobileNetV3 uses the slope 0.2 here, not the 1/6 of
    `keras.activations.hard_sigmoid`.
    """

    def call(self, inputs):
        """Returns the gate, in [0, 1], of `inputs`' shape and dtype."""
        return keras.ops.clip(inputs * 0.2 + 0.5, 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        """Returns `input_shape`."""
        return input_shape
