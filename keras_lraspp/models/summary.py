"""How large the outputs of a network's layers are, which training keeps in memory."""

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

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


class StepMemory(NamedTuple):
    """Bytes on one device. What Python and the backend take for themselves is not in.

    Attributes:
        weights: Of the network, with the running statistics.
        gradients: Of what is trained.
        optimizer: Momentum, and averages and sums of gradients if there are any.
        outputs: What the layers put out, which a step keeps for its way back.
    """

    weights: int
    gradients: int
    optimizer: int
    outputs: int

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


def estimate_step(
    network: keras.Model, images: int, height: int, width: int
) -> StepMemory | None:
    """Estimates the memory of a training step; see `docs/training.md` for its error.

    Args:
        network: Compiled, its optimizer built.
        images: In a step, on one device.
        height: Of the crops, in pixels.
        width: Of the crops, in pixels.

    Returns:
        The estimate; `None` for a network whose layers cannot be listed.
    """
    try:
        outputs = output_bytes(at_size(network, height, width))
    except (ValueError, TypeError, AttributeError):  # somebody's own kind of model
        return None
    return StepMemory(
        weights=_variable_bytes(network.weights),
        gradients=_variable_bytes(network.trainable_variables),
        optimizer=_variable_bytes(network.optimizer.variables),
        outputs=images * outputs,
    )


def _variable_bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(v.shape) * dtype_bytes(v.dtype) for v in variables)
