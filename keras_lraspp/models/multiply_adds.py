"""How much a network computes, counted from its graph."""

import math

import keras

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def multiply_adds(model: keras.Model) -> int:
    """Counts the multiply-adds of a model's convolutions and dense layers.

    One multiplication with its addition counts as one; biases, batch norms, resizing
    and element-wise work do not count, as in the tables of the MobileNetV3 paper.

    Args:
        model: A model for images of a fixed size, with channels last.

    Returns:
        Multiply-adds for one image.

    Raises:
        ValueError: If the model takes images of any size.
    """
    return sum(_layer_multiply_adds(layer) for layer in model.layers)


def _layer_multiply_adds(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if not isinstance(layer, (*_CONVOLUTIONS, keras.layers.Dense)):
        return 0
    positions = layer.output.shape[1:-1]
    if None in positions:
        raise ValueError(
            f"{layer.name} has no fixed size; build the model with an input_shape "
            f"such as (512, 1024, 3)."
        )
    # Each weight of the kernel is used once at each position.
    return math.prod(positions) * math.prod(layer.kernel.shape)
