"""Trainings that give the same weights to the bit every time."""

import os

import keras

from keras_lraspp.errors import InputError

_JAX_FLAG = "--xla_gpu_deterministic_ops=true"
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


def compute_deterministically() -> None:
    """Makes the backend choose deterministic kernels, for the rest of the process.

    Call it before anything is computed.

    Raises:
        InputError: On JAX with a GPU, if `XLA_FLAGS` do not ask for it: JAX reads them
            once, when it starts.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault(*_CUBLAS)  # cuBLAS reads it when it starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    elif backend == "jax":
        import jax

        if jax.default_backend() == "gpu" and not _jax_was_told():
            raise InputError(
                f"train.deterministic on JAX and a GPU needs XLA_FLAGS={_JAX_FLAG} in "
                f"the environment; set it and start again."
            )


def _jax_was_told() -> bool:
    flags = os.environ.get("XLA_FLAGS", "").split()
    return _JAX_FLAG in flags or _JAX_FLAG.removesuffix("=true") in flags
