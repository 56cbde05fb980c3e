"""From images to labels, probabilities or logits: one call, on any backend."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_lraspp.inference.checks import check_images
from keras_lraspp.inference.tta import (
    DEFAULT,
    InferenceOptions,
    Network,
    Tensor,
    after,
    mean_logits,
    summed_logits,
)

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


LabelFunction = Callable[[np.ndarray], np.ndarray]
ScoreFunction = Callable[[np.ndarray], np.ndarray]


def label_function(
    model: keras.Model, options: InferenceOptions = DEFAULT
) -> LabelFunction:
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
            With scales other than 1 it must take float32 pixels 0..255, too.
        options: Scales, mirror image and sliding windows; by default the network
            sees the image once.

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
    dtype = label_dtype(model)

    def compute(network, images):
        # The largest sum is the largest mean.
        return arg_max(summed_logits(network, images, options), dtype)

    return checked_function(model, [options], compute)


def label_dtype(model: keras.Model) -> str:
    """Returns the type of a model's labels: uint8 up to 256 classes, else int32."""
    return "uint8" if model.output_shape[-1] <= 256 else "int32"


def probability_function(
    model: keras.Model, options: InferenceOptions = DEFAULT
) -> ScoreFunction:
    """Makes the function that turns images into probabilities.

    Args:
        model: As for `label_function`.
        options: As for `label_function`; the logits of the passes are averaged, then
            the softmax is taken.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns a NumPy array
        float32 (B, H, W, classes), 0 to 1, which add to 1 over the classes. It raises
        InputError as `label_function`'s.
    """

    def compute(network, images):
        return keras.ops.softmax(mean_logits(network, images, options), axis=-1)

    return checked_function(model, [options], compute)


def logit_function(
    model: keras.Model, options: InferenceOptions = DEFAULT
) -> ScoreFunction:
    """Makes the function that turns images into logits, averaged over the passes.

    Args:
        model: As for `label_function`.
        options: As for `label_function`.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns a NumPy array
        float32 (B, H, W, classes). It raises InputError as `label_function`'s.
    """

    def compute(network, images):
        return mean_logits(network, images, options)

    return checked_function(model, [options], compute)


def checked_function(
    model: keras.Model, each: Sequence[InferenceOptions], compute: Compute
) -> Callable[[np.ndarray], np.ndarray]:
    """Compiles a function of images that it first checks.

    Args:
        model: As for `label_function`.
        each: Options that the images must be good for.
        compute: See `compile_function`.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns `compute`'s result as
        a NumPy array, or raises InputError as `label_function`'s.
    """
    compiled = compile_function(model, compute)

    def call(images) -> np.ndarray:
        for options in each:
            check_images(
                images,
                options,
                smallest_side=getattr(model, "smallest_side", 1),
                fixed=model.input_shape[1:3],
            )
        return compiled(images)

    return call


def nested_label_function(
    model: keras.Model, nested: Sequence[InferenceOptions]
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes the function that turns images into labels by each of several options.

    Options without flip, with flip, and with flip and more scales share passes: plain
    is a part of flip, and that of multi-scale. Nine passes become six.

    Args:
        model: As for `label_function`.
        nested: Options; none with a sliding window.

    Returns:
        A function of uint8 RGB images (B, H, W, 3) that returns a NumPy array
        (options, B, H, W): uint8 up to 256 classes, int32 above. It raises InputError
        as `label_function`'s.
    """
    dtype = label_dtype(model)
    passes = {one: [one in _passes(row) for row in nested] for one in _all(nested)}

    def compute(network, images):
        totals = [None] * len(nested)
        for (scale, mirrored), wanted in passes.items():
            logits = _one_pass(network, images, scale, mirrored)
            images = after(images, logits)
            for index in np.flatnonzero(wanted):
                total = totals[index]
                totals[index] = logits if total is None else total + logits
        return keras.ops.stack([arg_max(total, dtype) for total in totals])

    return checked_function(model, nested, compute)


def _one_pass(network, images, scale: float, mirrored: bool):
    """Returns float32 logits of the image's size."""
    if mirrored:
        images = keras.ops.flip(images, axis=2)
    logits = summed_logits(network, images, InferenceOptions(scales=(scale,)))
    logits = keras.ops.cast(logits, "float32")
    return keras.ops.flip(logits, axis=2) if mirrored else logits


def _passes(options: InferenceOptions) -> list[tuple[float, bool]]:
    sides = (False, True) if options.flip else (False,)
    return [(scale, mirrored) for scale in options.scales for mirrored in sides]


def _all(nested: Sequence[InferenceOptions]) -> list[tuple[float, bool]]:
    return list(dict.fromkeys(one for row in nested for one in _passes(row)))
