"""Weights from other people's files: arrays by name, no models."""

from keras_lraspp.weights.paddle import read_pdparams

__all__ = ["read_pdparams"]
