"""A network's graph on TensorFlow's CPU, with batch norms multiplied into kernels.

TensorFlow multiplies nothing in, as weights are variables to it, and its oneDNN is slow
at a batch norm behind a convolution. Only functions that stay in this process are built
so: what is exported keeps its batch norms, which converters know.
"""

import contextlib
import contextvars
from collections.abc import Iterator
from typing import Any

import keras

from keras_lraspp.devices import on_cpu
from keras_lraspp.layers import DepthwiseConv2D, ZeroPadding2D
from keras_lraspp.layers.cpu_fusion import avoid_slow_fusions
from keras_lraspp.models.graph_parts import (
    ACTIVATIONS,
    CONVOLUTIONS,
    Part,
    fold_norm,
    run_parts,
)

_folding = contextvars.ContextVar("folding", default=False)


@contextlib.contextmanager
def batch_norms_folded() -> Iterator[None]:
    """Builds networks that are called inside for inference in this process alone."""
    token = _folding.set(True)
    try:
        yield
    finally:
        _folding.reset(token)


def folds_on_tensorflow(inputs, training: bool | None) -> bool:
    """Whether a network of `inputs` is built for inference here and now, on a CPU."""
    import tensorflow as tf

    wanted = _folding.get() and not training
    return wanted and isinstance(inputs, tf.Tensor) and on_cpu()


def run_on_tensorflow(model: keras.Model, parts: list[Part], inputs, training) -> Any:
    """Returns the outputs of a graph with one input, as Keras would."""
    avoid_slow_fusions()
    return run_parts(model, parts, inputs, training, _convolve)


def _convolve(part: Part, x) -> Any:
    """Convolves (B, H, W, C), with the part's padding, batch norm and activation."""
    import tensorflow as tf

    layer, before = part.find(*CONVOLUTIONS), part.find(ZeroPadding2D)
    depthwise = type(layer) is DepthwiseConv2D
    if layer.data_format != "channels_last" or not (depthwise or layer.groups == 1):
        return None
    operation = keras.ops.depthwise_conv if depthwise else keras.ops.conv
    kernel, shift = fold_norm(part)
    outputs = operation(
        x if before is None else before.call(x),
        kernel,
        layer.strides,
        layer.padding,
        dilation_rate=layer.dilation_rate,
    )
    if shift is not None:
        outputs = tf.nn.bias_add(outputs, shift)
    activation = part.find(*ACTIVATIONS)
    return outputs if activation is None else activation.call(outputs)
