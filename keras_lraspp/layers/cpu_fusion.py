"""XLA-fused elementwise functions and rematerialization, for TensorFlow on a CPU.

TensorFlow runs x * relu6(x + 3) / 6 as four loops, each of which reads and writes all
of memory. Its compiler XLA makes one of them. A whole model is slower with XLA on a
CPU, as its convolutions are not oneDNN's; a few elementwise functions are not.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import keras

from keras_lraspp.processor import has_slow_fusions


def can_fuse(*tensors) -> bool:
    """Whether functions of these TensorFlow tensors should be compiled by XLA.

    A size that is known only at run time would be compiled anew for each value.
    """
    if keras.backend.backend() != "tensorflow":
        return False
    known = all(None not in tuple(tensor.shape) for tensor in tensors)
    return known and not _has_gpu()


@functools.cache
def _has_gpu() -> bool:
    import tensorflow as tf

    return bool(tf.config.list_physical_devices("GPU"))


@functools.cache
def avoid_slow_fusions() -> None:
    """Has TensorFlow leave convolutions and what is behind them apart, where faster.

    It is a setting of the process. One that somebody made stays.
    """
    import tensorflow as tf

    optimizer = tf.config.optimizer
    if has_slow_fusions() and "remapping" not in optimizer.get_experimental_options():
        optimizer.set_experimental_options({"remapping": False})


def xla_fused(function: Callable) -> Callable:
    """Compiles a function of TensorFlow tensors by XLA, when it is called first."""

    @functools.cache
    def compiled():
        import tensorflow as tf

        return tf.function(function, jit_compile=True)

    @functools.wraps(function)
    def call(*tensors):
        return compiled()(*tensors)

    return call


_ATTRIBUTE = "_keras_lraspp_remat"


class Remat(NamedTuple):
    """How to compute a tensor again: `function(*tensors)`."""

    function: Callable  # always the same object for the same computation
    tensors: tuple[Any, ...]


def set_remat(tensor, function: Callable, *tensors) -> None:
    """Attaches to a TensorFlow tensor how to compute it again."""
    setattr(tensor, _ATTRIBUTE, Remat(function, tensors))


def get_remat(tensor) -> Remat | None:
    """Returns what `set_remat` attached to this very object, if anything."""
    return getattr(tensor, _ATTRIBUTE, None)


def remat_or_keep(tensor) -> Remat:
    """Returns how to compute a tensor again, falling back to keeping it."""
    return get_remat(tensor) or Remat(_identity, (tensor,))


def _identity(tensor):
    return tensor
