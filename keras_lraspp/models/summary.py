"""Model summary: multiply-adds, bytes of outputs, memory of a training step."""

import math
import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import keras

from keras_lraspp.models.lraspp import LRASPP

_COUNTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


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
    return sum(map(_layer_multiply_adds, model.layers))


def _layer_multiply_adds(layer: keras.layers.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if not isinstance(layer, _COUNTED):
        return 0
    positions = layer.output.shape[1:-1]
    if None in positions:
        raise ValueError(
            f"{layer.name} has no fixed size; build the model with an input_shape "
            f"such as (512, 1024, 3)."
        )
    # Each weight of the kernel is used once at each position.
    return math.prod(positions) * math.prod(layer.kernel.shape)


def at_size(model: keras.Model, height: int, width: int) -> keras.Model:
    """Builds the same architecture for images of one size, with weights of its own.

    Raises `ValueError` for a size below the network's smallest side, or a model that is
    neither an `LRASPP` nor functional, of one input and with no other models inside.
    """
    size = height, width, model.input_shape[-1]
    if isinstance(model, LRASPP):
        return LRASPP.from_config({**model.get_config(), "input_shape": size})
    pixels = keras.Input(size, dtype=model.inputs[0].dtype)
    return keras.models.clone_model(model, input_tensors=pixels)


class StepMemory(NamedTuple):
    """Bytes of a training step on one device, Python and the backend aside."""

    weights: int  # with the running statistics
    gradients: int
    optimizer: int  # momentum, and averages and sums of gradients if there are any
    outputs: int  # of the layers, which a step keeps for its backward pass

    @property
    def total(self) -> int:
        """All of them together."""
        return sum(self)


def estimate_step(
    network: keras.Model, images: int, height: int, width: int
) -> StepMemory | None:
    """Estimates the memory of a training step; see `docs/training.md` for its error.

    The network is compiled, its optimizer built. Returns `None` for one whose layers
    cannot be listed.
    """
    try:
        outputs = output_bytes(at_size(network, height, width))
    except (ValueError, TypeError, AttributeError):  # a custom kind of model
        return None
    return StepMemory(
        weights=_variable_bytes(network.weights),
        gradients=_variable_bytes(network.trainable_variables),
        optimizer=_variable_bytes(network.optimizer.variables),
        outputs=images * outputs,
    )


def _variable_bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(v.shape) * dtype_bytes(v.dtype) for v in variables)


def output_bytes(model: keras.Model) -> int:
    """Adds up the bytes of all layers' outputs for one image, models inside included.

    Raises `ValueError` if an output has no fixed size.
    """
    total = 0
    for output in _outputs(model):
        shape = output.shape[1:]
        if None in shape:
            raise ValueError(
                f"{output.name} has no fixed size; make the model by `at_size` first."
            )
        total += math.prod(shape) * dtype_bytes(output.dtype)
    return total


def _outputs(model: keras.Model) -> Iterator[keras.KerasTensor]:
    for operation in model.operations:
        if isinstance(operation, keras.Model):
            yield from _outputs(operation)
        elif not isinstance(operation, keras.layers.InputLayer):
            yield from keras.tree.flatten(operation.output)


def dtype_bytes(name: str) -> int:
    """Returns the size of an element: 4 for "float32", 2 for "bfloat16"."""
    bits = re.search(r"\d+$", name)
    return int(bits[0]) // 8 if bits else 1
