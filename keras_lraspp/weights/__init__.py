"""Weights from and for other people's files: arrays by name, no models."""

from keras_lraspp.weights.paddle import read_pdparams
from keras_lraspp.weights.pytorch import read_pytorch
from keras_lraspp.weights.reading import read_safetensors, read_tensors
from keras_lraspp.weights.writing import (
    write_pdparams,
    write_pytorch,
    write_safetensors,
)

__all__ = [
    "read_pdparams",
    "read_pytorch",
    "read_safetensors",
    "read_tensors",
    "write_pdparams",
    "write_pytorch",
    "write_safetensors",
]
