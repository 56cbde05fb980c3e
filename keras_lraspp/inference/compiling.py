"""Compiles functions of a model's layers on any backend, to be called with arrays."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from keras_lraspp.models.tensorflow_graph import batch_norms_folded


def compile_function(model: keras.Model, function: Callable) -> Callable:
    """Compiles a function that uses the weights of a model.

    The weights are read at each call. On TensorFlow the first shapes are compiled for
    themselves; as soon as others come, one graph of unknown shapes serves them all. JAX
    compiles once for shapes. PyTorch runs eagerly.

    Args:
        model: The model, in inference mode.
        function: Of tensors, or lists of them; it may call the model and its layers.

    Returns:
        The same of NumPy arrays, or of tensors; returns what the function does.
    """
    return _COMPILERS[keras.backend.backend()](model, function)


def _on_tensorflow(_: keras.Model, function: Callable):
    import tensorflow as tf

    folded = batch_norms_folded()(function)
    compiled = tf.function(folded, reduce_retracing=True, autograph=False)

    def call(*arrays):
        # An array would be a constant of the graph.
        return compiled(*tf.nest.map_structure(tf.convert_to_tensor, arrays))

    return call


def _on_jax(model: keras.Model, function: Callable):
    import jax

    @jax.jit
    def compiled(weights: list, *arrays: Any):
        pairs = zip(model.variables, weights, strict=True)
        with keras.StatelessScope(state_mapping=[*pairs]):
            return function(*arrays)

    def given(array):
        return array if isinstance(array, jax.Array) else np.asarray(array)

    def call(*arrays):
        # Passed anew each time: compiled in, they would stay as they were.
        weights = [variable.value for variable in model.variables]
        return compiled(weights, *jax.tree.map(given, arrays))

    return call


def _on_torch(_: keras.Model, function: Callable):
    import torch

    def given(array):
        if isinstance(array, torch.Tensor):
            return array
        # PyTorch warns of arrays that may not be written.
        array = np.require(array, requirements="W")
        return keras.ops.convert_to_tensor(array)

    @torch.inference_mode()
    def call(*arrays):
        return function(*keras.tree.map_structure(given, arrays))

    return call


_COMPILERS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}


def to_tensor(array: np.ndarray):
    """Makes a tensor of an array that is at 64 bytes, without a copy on a CPU."""
    if keras.backend.backend() != "tensorflow":
        return keras.ops.convert_to_tensor(array)
    import tensorflow as tf

    return tf.experimental.dlpack.from_dlpack(array.__dlpack__())
