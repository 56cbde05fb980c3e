"""Small Keras layers; each runs on TensorFlow, JAX and PyTorch."""

from keras_lraspp.layers.activations import HardGate, HardSwish, ScaleChannels
from keras_lraspp.layers.batch_norm import BatchNorm
from keras_lraspp.layers.convolutions import (
    Concatenate,
    Conv2D,
    DepthwiseConv2D,
    ZeroPadding2D,
)
from keras_lraspp.layers.resizing import LargeKernelPool, ResizeLike

__all__ = [
    "BatchNorm",
    "Concatenate",
    "Conv2D",
    "DepthwiseConv2D",
    "HardGate",
    "HardSwish",
    "LargeKernelPool",
    "ResizeLike",
    "ScaleChannels",
    "ZeroPadding2D",
]
