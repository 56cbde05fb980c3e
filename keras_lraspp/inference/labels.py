"""From images to labels, probabilities or logits: one call, on any backend."""

from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_lraspp.inference.compiling import Compute, arg_max, compile_function
from keras_lraspp.inference.image_checks import check_images
from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.inference.scoring import mean_logits, summed_logits

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
