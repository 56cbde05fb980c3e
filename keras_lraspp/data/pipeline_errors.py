"""Errors inside a running tf.data pipeline, as one sentence for the user."""

import contextlib
import re
from collections.abc import Iterator

import tensorflow as tf

from keras_lraspp.errors import InputError

_START, _END = "<input-error>", "</input-error>"
_SENTENCE = re.compile(f"{_START}(.*?){_END}", re.DOTALL)
# What tf.data says of a batch; evaluation has its own check before.
_SEVERAL_SIZES = re.compile(
    "Cannot batch tensors with different shapes|Cannot add tensor to the batch"
)


def mark_sentence(sentence: str) -> str:
    """Marks a sentence, so that `input_errors` finds it in TensorFlow's message."""
    return f"{_START}{sentence}{_END}"


def refuse_unless(condition: tf.Tensor | bool, sentence: str) -> None:
    """Stops the pipeline with a sentence for the user if the condition is false."""
    if condition is True:
        return
    tf.debugging.Assert(condition, [mark_sentence(sentence)])


@contextlib.contextmanager
def input_errors() -> Iterator[None]:
    """Turns the pipeline's errors into `InputError`, wherever batches are consumed.

    TensorFlow wraps what a pipeline raises, and the backends and `model.fit` each wrap
    it again; the sentence for the user is in the innermost message.

    Raises:
        InputError: For an error that the pipeline raised about its input.
    """
    try:
        yield
    except Exception as error:
        if _SEVERAL_SIZES.search(str(error)):
            raise InputError(
                "The transform gives images of several sizes, which cannot become a "
                "batch; let it crop, as @recipe_transform does."
            ) from error
        match = _SENTENCE.search(str(error))
        if match is None or isinstance(error, InputError):
            raise
        raise InputError(match[1]) from error
