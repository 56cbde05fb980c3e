"""Elementwise functions as one loop each, where TensorFlow computes on a CPU.

TensorFlow runs x * relu6(x + 3) / 6 as four loops, each of which reads and writes all
of memory. Its compiler XLA makes one of them. A whole model is slower with XLA on a
CPU, as its convolutions are not oneDNN's; a few elementwise functions are not.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras


def makes_one_loop(*tensors) -> bool:
    """Whether functions of these tensors should be compiled.

    Args:
        *tensors: TensorFlow tensors. A size that is known only at run time would be
            compiled anew for each value.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    known = all(None not in tuple(tensor.shape) for tensor in tensors)
    return known and not _has_gpu()


def one_loop(function: Callable) -> Callable:
    """Compiles a function of TensorFlow tensors once, when it is called first."""

    @functools.cache
    def compiled():
        import tensorflow as tf

        return tf.function(function, jit_compile=True)

    @functools.wraps(function)
    def call(*tensors):
        return compiled()(*tensors)

    return call


@functools.cache
def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


_ATTRIBUTE = "_keras_lraspp_recipe"


class Recipe(NamedTuple):
    """How to compute a tensor: `function(*tensors)`."""

    function: Callable  # always the same object for the same computation
    tensors: tuple[Any, ...]


def remember(tensor, function: Callable, *tensors) -> None:
    """Notes on a TensorFlow tensor how to compute it again."""
    setattr(tensor, _ATTRIBUTE, Recipe(function, tensors))


def recipe_of(tensor) -> Recipe | None:
    """How to compute a tensor again; `None` if nobody noted it on this very object."""
    return getattr(tensor, _ATTRIBUTE, None)


def kept(tensor) -> Recipe:
    """A recipe in any case: the tensor's own, or to keep it."""
    return recipe_of(tensor) or Recipe(_as_it_is, (tensor,))


def _as_it_is(tensor):
    return tensor
