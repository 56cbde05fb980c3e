"""Small Keras layers; each runs on TensorFlow, JAX and PyTorch."""

from keras_lraspp.layers.batch_norm import BatchNorm
from keras_lraspp.layers.hard_gate import HardGate
from keras_lraspp.layers.hard_swish import HardSwish
from keras_lraspp.layers.large_kernel_pool import LargeKernelPool
from keras_lraspp.layers.resize_like import ResizeLike
from keras_lraspp.layers.scale_channels import ScaleChannels

__all__ = [
    "BatchNorm",
    "HardGate",
    "HardSwish",
    "LargeKernelPool",
    "ResizeLike",
    "ScaleChannels",
]
