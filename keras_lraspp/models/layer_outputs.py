"""How large the outputs of a network's layers are, which training keeps in memory."""

import math
import re
from collections.abc import Iterator

import keras

from keras_lraspp.models.lraspp import LRASPP


def at_size(model: keras.Model, height: int, width: int) -> keras.Model:
    """Makes the same architecture anew for images of one size.

    Args:
        model: An `LRASPP`, or a functional model of one input with no other models
            inside.
        height: Of the images, in pixels.
        width: Of the images, in pixels.

    Returns:
        A model with weights of its own.

    Raises:
        ValueError: If the size is below the network's smallest side, or the model
            is of another kind.
    """
    size = height, width, 3
    if isinstance(model, LRASPP):
        return LRASPP.from_config({**model.get_config(), "input_shape": size})
    pixels = keras.Input(size, dtype=model.inputs[0].dtype)
    return keras.models.clone_model(model, input_tensors=pixels)


def output_bytes(model: keras.Model) -> int:
    """Adds up the outputs of all layers, those of models inside too.

    Args:
        model: A functional model for images of one size.

    Returns:
        Bytes for one image.

    Raises:
        ValueError: If an output has no fixed size.
    """
    return sum(map(_bytes, _outputs(model)))


def _outputs(model: keras.Model) -> Iterator[keras.KerasTensor]:
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            yield from _outputs(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            yield from keras.tree.flatten(operation.output)


def _bytes(output: keras.KerasTensor) -> int:
    shape = output.shape[1:]
    if None in shape:
        raise ValueError(
            f"{output.name} has no fixed size; make the model by `at_size` first."
        )
    return math.prod(shape) * dtype_bytes(output.dtype)


def dtype_bytes(name: str) -> int:
    """Returns the size of an element: 4 for "float32", 2 for "bfloat16"."""
    bits = re.search(r"\d+$", name)
    return int(bits[0]) // 8 if bits else 1
