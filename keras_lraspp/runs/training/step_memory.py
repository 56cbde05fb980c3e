"""What memory a training step will need, before it is made."""

import math
from collections.abc import Iterable
from typing import NamedTuple

import keras

from keras_lraspp.models.layer_outputs import at_size, dtype_bytes, output_bytes


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
        weights=_bytes(network.weights),
        gradients=_bytes(network.trainable_variables),
        optimizer=_bytes(network.optimizer.variables),
        outputs=images * outputs,
    )


def _bytes(variables: Iterable[keras.Variable]) -> int:
    return sum(math.prod(v.shape) * dtype_bytes(v.dtype) for v in variables)
