"""From images to labels: one call of the network, on any backend."""

from collections.abc import Callable

import keras
import numpy as np

from keras_lraspp.errors import InputError

LabelFunction = Callable[[np.ndarray], np.ndarray]


def label_function(model: keras.Model) -> LabelFunction:
    """Makes the function that turns images into labels.

    The arg-max is part of the compiled graph, so that one byte per pixel leaves the
    device instead of a float per class, and only one batch of logits exists at a
    time. The model's weights are read at each call: the function may be made once
    and used while the model trains.

    On TensorFlow the first size is compiled for itself; as soon as others come, one
    graph of unknown size serves them all. JAX compiles once per size. PyTorch runs
    eagerly.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).

    Returns:
        A function of uint8 RGB images (B, H, W, 3), a NumPy array or a tensor. It
        returns a NumPy array (B, H, W) with the class of each pixel, the lower one
        where two are equal: uint8 up to 256 classes, int32 above. It raises
        InputError for images of another shape or type, or of a size that the model
        does not take.

    Example:
        ```python
        labels = label_function(keras_lraspp.LRASPP())(images)
        ```
    """
    compiled = _COMPILERS[keras.backend.backend()](model, _label_dtype(model))

    def labels_of(images) -> np.ndarray:
        _check(images, model)
        return compiled(images)

    return labels_of


def _label_dtype(model: keras.Model) -> str:
    return "uint8" if model.output_shape[-1] <= 256 else "int32"


def _on_tensorflow(model: keras.Model, dtype: str) -> LabelFunction:
    import tensorflow as tf

    # keras.ops.argmax would pass over the logits twice more to order the two zeros.
    def argmax(logits):
        return tf.cast(tf.argmax(logits, axis=-1), dtype)

    # On a CPU TensorFlow's own arg-max takes a tenth of the time of an os32 network,
    # XLA's a fiftieth; but XLA compiles for every size, so only where it is known.
    on_cpu = not tf.config.list_logical_devices("GPU")
    xla_argmax = tf.function(argmax, jit_compile=True, autograph=False)

    @tf.function(reduce_retracing=True, autograph=False)
    def compiled(images):
        logits = model(images, training=False)
        known = logits.shape.is_fully_defined()
        return xla_argmax(logits) if known and on_cpu else argmax(logits)

    return lambda images: compiled(tf.convert_to_tensor(images)).numpy()


def _on_jax(model: keras.Model, dtype: str) -> LabelFunction:
    import jax

    @jax.jit
    def compiled(trainable, non_trainable, images):
        logits, _ = model.stateless_call(
            trainable, non_trainable, images, training=False
        )
        return jax.numpy.argmax(logits, axis=-1).astype(dtype)

    def call(images):
        # Passed anew each time: compiled in, they would stay as they were.
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(compiled(trainable, others, np.asarray(images)))

    return call


def _on_torch(model: keras.Model, dtype: str) -> LabelFunction:
    import torch

    @torch.inference_mode()
    def call(images):
        logits = model(keras.ops.convert_to_tensor(np.array(images)), training=False)
        return logits.argmax(-1).to(getattr(torch, dtype)).cpu().numpy()

    return call


_COMPILERS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}


def _check(images, model: keras.Model) -> None:
    shape, dtype = tuple(images.shape), keras.backend.standardize_dtype(images.dtype)
    if len(shape) != 4 or shape[-1] != 3 or dtype != "uint8" or 0 in shape:
        raise InputError(
            f"Images are uint8 (batch, height, width, 3), not {dtype} {shape}."
        )
    smallest = getattr(model, "smallest_side", 1)
    if min(shape[1:3]) < smallest:
        raise InputError(
            f"The image is {shape[1]}x{shape[2]}, but this model's smallest side is "
            f"{smallest} pixels; enlarge the image or use a model with global pooling."
        )
    fixed = model.input_shape[1:3]
    pairs = zip(fixed, shape[1:3], strict=True)
    if any(side not in (None, given) for side, given in pairs):
        raise InputError(
            f"The image is {shape[1]}x{shape[2]}, but this model was built for "
            f"{fixed[0]}x{fixed[1]} only; resize it, or build the model with "
            f"input_shape=(None, None, 3)."
        )
