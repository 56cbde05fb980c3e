"""One compiled function per backend, from arrays to arrays."""

from collections.abc import Callable

import keras
import numpy as np

from keras_lraspp.inference.scoring import Network, Tensor

Compute = Callable[[Network, Tensor], Tensor]


def compile_function(
    model: keras.Model, compute: Compute
) -> Callable[[np.ndarray], np.ndarray]:
    """Compiles what is computed with a network.

    The model's weights are read at each call. On TensorFlow the first size is
    compiled for itself; as soon as others come, one graph of unknown size serves them
    all. JAX compiles once per size. PyTorch runs eagerly.

    Args:
        model: Takes pixels (B, H, W, 3), returns logits (B, H, W, classes).
        compute: Called as `compute(network, images)`; the network is in inference
            mode.

    Returns:
        A function of an array or tensor of images that returns `compute`'s result as
        a NumPy array.
    """
    return _COMPILERS[keras.backend.backend()](model, compute)


def arg_max(logits: Tensor, dtype: str) -> Tensor:
    """Returns the class with the largest logit, the lower of two equal ones.

    keras.ops.argmax would pass over the logits twice more to order the two zeros.

    Args:
        logits: (B, H, W, classes).
        dtype: Integer type of the result.

    Returns:
        (B, H, W).
    """
    return _ARG_MAX[keras.backend.backend()](logits, dtype)


def _network(model: keras.Model, forward: Callable[[Tensor], Tensor]) -> Network:
    return Network(forward, model.output_shape[-1])


def _on_tensorflow(model: keras.Model, compute: Compute):
    import tensorflow as tf

    def forward(images):
        # Windows and scaled images lose their size, which a fixed model wants known.
        images = tf.ensure_shape(images, model.input_shape)
        return model(images, training=False)

    @tf.function(reduce_retracing=True, autograph=False)
    def compiled(images):
        return compute(_network(model, forward), images)

    return lambda images: compiled(tf.convert_to_tensor(images)).numpy()


def _on_jax(model: keras.Model, compute: Compute):
    import jax

    @jax.jit
    def compiled(trainable, non_trainable, images):
        def forward(images):
            logits, _ = model.stateless_call(
                trainable, non_trainable, images, training=False
            )
            return logits

        return compute(_network(model, forward), images)

    def call(images):
        # Passed anew each time: compiled in, they would stay as they were.
        trainable = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        return np.asarray(compiled(trainable, others, np.asarray(images)))

    return call


def _on_torch(model: keras.Model, compute: Compute):
    import torch

    network = _network(model, lambda images: model(images, training=False))

    @torch.inference_mode()
    def call(images):
        images = keras.ops.convert_to_tensor(np.array(images))
        return compute(network, images).cpu().numpy()

    return call


def _arg_max_on_tensorflow(logits, dtype):
    import tensorflow as tf

    def arg_max(logits):
        return tf.cast(tf.argmax(logits, axis=-1), dtype)

    # On a CPU TensorFlow's own arg-max takes a tenth of the time of an os32 network,
    # XLA's a fiftieth; but XLA compiles for every size, so only where it is known.
    on_cpu = not tf.config.list_logical_devices("GPU")
    if logits.shape.is_fully_defined() and on_cpu:
        return tf.function(arg_max, jit_compile=True, autograph=False)(logits)
    return arg_max(logits)


def _arg_max_on_jax(logits, dtype):
    import jax

    return jax.numpy.argmax(logits, axis=-1).astype(dtype)


def _arg_max_on_torch(logits, dtype):
    import torch

    return logits.argmax(-1).to(getattr(torch, dtype))


_COMPILERS = {"tensorflow": _on_tensorflow, "jax": _on_jax, "torch": _on_torch}
_ARG_MAX = {
    "tensorflow": _arg_max_on_tensorflow,
    "jax": _arg_max_on_jax,
    "torch": _arg_max_on_torch,
}
