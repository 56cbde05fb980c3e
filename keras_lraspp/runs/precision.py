"""The precision that a run computes in."""

import contextlib
from collections.abc import Iterator

import keras

from keras_lraspp.errors import InputError

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Builds what is built inside with a Keras dtype policy.

    Args:
        name: One of `PRECISIONS`.

    Raises:
        InputError: For another name.
    """
    if name not in PRECISIONS:
        raise InputError(f"precision is one of {PRECISIONS}, not {name!r}.")
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
