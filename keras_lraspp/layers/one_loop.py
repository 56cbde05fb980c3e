"""Elementwise functions as one loop each, where TensorFlow computes on a CPU.

TensorFlow runs x * relu6(x + 3) / 6 as four loops, each of which reads and writes all
of memory. Its compiler XLA makes one of them. A whole model is slower with XLA on a
CPU, as its convolutions are not oneDNN's; a few elementwise functions are not.
"""

import functools
from collections.abc import Callable

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
