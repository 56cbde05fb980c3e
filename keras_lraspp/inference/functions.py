"""Label, probability and logit functions: one call for any backend."""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import keras
import numpy as np

from keras_lraspp.devices import free_memory, on_cpu
from keras_lraspp.errors import InputError
from keras_lraspp.inference.compiling import compile_function
from keras_lraspp.inference.heads import Head, logits_head, smallest_side
from keras_lraspp.inference.strips import striped_labels
from keras_lraspp.inference.tta import (
    SINGLE_PASS,
    InferenceOptions,
    Network,
    Tensor,
    after,
    mean_logits,
    scaled_side,
    summed_logits,
)

LabelFunction = Callable[[np.ndarray], np.ndarray]
ScoreFunction = Callable[[np.ndarray], np.ndarray]
_LARGE = 2**26  # bytes; less is not worth a look
LARGE_IMAGE = 2**22  # pixels; a network over more takes gigabytes at once
_Compute = Callable[[Network, Tensor], Tensor]
# Names and messages of what backends and runtimes raise in place of MemoryError.
_OUT_OF_MEMORY = re.compile(
    "MemoryError|RESOURCE_?EXHAUSTED|OOM when|out of memory|allocate memory|bad_alloc",
    re.IGNORECASE,
)


def label_function(
    model: keras.Model | Head,
    options: InferenceOptions = SINGLE_PASS,
    from_logits: bool | None = None,
) -> LabelFunction:
    """Makes the function that turns images into labels, the class of each pixel.

    The arg-max is part of the compiled graph, so that one byte per pixel leaves the
    device instead of a float per class, and only one batch of logits exists at a
    time. The model's weights are read at each call: the function may be made once
    and used while the model trains. An `LRASPP` sees an image of more than 2048x2048
    pixels tile by tile, with the same labels, see `striped_labels`, unless there are
    options.

    On TensorFlow the first size is compiled for itself; as soon as others come, one
    graph of unknown size serves them all. JAX compiles once per size. PyTorch runs
    eagerly.

    Args:
        model: Takes uint8 pixels (B, H, W, C), returns logits (B, H, W, classes), or
            probabilities, see `logits_head`. One channel, the logit or the probability
            of a class, makes labels 0 and 1: 1 where the probability is above 0.5.
            With scales other than 1 it must take float32 pixels 0..255, too.
        options: Scales, mirror image and sliding windows; by default the network
            sees the image once.
        from_logits: Whether the model returns logits; `None` to find out.

    Returns:
        A function of uint8 images (B, H, W, C), a NumPy array or a tensor. It
        returns a NumPy array (B, H, W) with the class of each pixel, the lower one
        where two are equal: uint8 up to 256 classes, int32 above. It raises
        InputError for images of another shape or type, or of a size that the model
        does not take.

    Example:
        ```python
        labels = label_function(keras_lraspp.LRASPP())(images)
        ```
    """
    model = logits_head(model, from_logits).model
    dtype = _label_dtype(model)

    def compute(network, images):
        # The largest sum is the largest mean.
        return _arg_max(summed_logits(network, images, options), dtype)

    striped = None
    if options == SINGLE_PASS:
        striped = striped_labels(model, lambda logits: _arg_max(logits, dtype))
    return _checked_function(model, [options], compute, striped)


def probability_function(
    model: keras.Model | Head,
    options: InferenceOptions = SINGLE_PASS,
    from_logits: bool | None = None,
) -> ScoreFunction:
    """Makes the function that turns images into probabilities.

    Args:
        model: As for `label_function`.
        options: As for `label_function`; the logits of the passes are averaged, then
            the softmax is taken.
        from_logits: As for `label_function`.

    Returns:
        A function of uint8 images (B, H, W, C) that returns a NumPy array
        float32 (B, H, W, classes), 0 to 1, which add to 1 over the classes; of a model
        of one channel two classes, of one that ends in a sigmoid over several channels
        each class's own, which do not add to 1. It raises InputError as
        `label_function`'s.
    """
    model, activation = logits_head(model, from_logits)

    def compute(network, images):
        logits = mean_logits(network, images, options)
        if activation == "sigmoid":
            return keras.ops.sigmoid(logits)
        return keras.ops.softmax(logits, axis=-1)

    return _checked_function(model, [options], compute)


def logit_function(
    model: keras.Model | Head,
    options: InferenceOptions = SINGLE_PASS,
    from_logits: bool | None = None,
) -> ScoreFunction:
    """Makes the function that turns images into logits, averaged over the passes.

    Args:
        model: As for `label_function`.
        options: As for `label_function`.
        from_logits: As for `label_function`.

    Returns:
        A function of uint8 images (B, H, W, C) that returns a NumPy array
        float32 (B, H, W, classes), the log-probabilities of a model that ends in a
        softmax. It raises InputError as `label_function`'s.
    """
    model = logits_head(model, from_logits).model

    def compute(network, images):
        return mean_logits(network, images, options)

    return _checked_function(model, [options], compute)


def nested_label_function(
    model: keras.Model, nested: Sequence[InferenceOptions]
) -> Callable[[np.ndarray], np.ndarray]:
    """Makes a label function for several options at once, which share passes.

    Options without flip, with flip, and with flip and more scales share passes: plain
    is a part of flip, and that of multi-scale. Nine passes become six. None of them may
    have a sliding window. The labels have one axis more than `label_function`'s:
    (options, B, H, W).
    """
    model = logits_head(model).model
    dtype = _label_dtype(model)
    every = dict.fromkeys(one for row in nested for one in _passes(row))
    passes = {one: [one in _passes(row) for row in nested] for one in every}

    def compute(network, images):
        totals = [None] * len(nested)
        for (scale, mirrored), wanted in passes.items():
            logits = _one_pass(network, images, scale, mirrored)
            images = after(images, logits)
            for index in np.flatnonzero(wanted):
                total = totals[index]
                totals[index] = logits if total is None else total + logits
        return keras.ops.stack([_arg_max(total, dtype) for total in totals])

    return _checked_function(model, nested, compute)


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


def _label_dtype(model: keras.Model) -> str:
    return "uint8" if model.output_shape[-1] <= 256 else "int32"


def _checked_function(
    model: keras.Model,
    options: Sequence[InferenceOptions],
    compute: _Compute,
    striped: LabelFunction | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """Compiles a function of images, which are checked first for each of `options`.

    Large images are left to `striped`.
    """
    compiled = _compile(model, compute)

    def call(images) -> np.ndarray:
        for one in options:
            check_images(
                images,
                one,
                smallest_side=smallest_side(model),
                fixed=model.input_shape[1:3],
                channels=image_channels(model),
            )
        large = images.shape[1] * images.shape[2] > LARGE_IMAGE
        with memory_errors(images.shape):
            if large and striped is not None:
                return striped(images)
            _check_memory(images.shape, model)
            return compiled(images)

    return call


def _check_memory(shape: Sequence[int], model: keras.Model) -> None:
    """Raises `MemoryError` on a CPU whose memory does not hold the logits alone.

    oneDNN's kernels crash the process there, where they should raise an error.
    """
    item = 4 if model.compute_dtype == "float32" else 2
    logits = item * math.prod(shape[:3]) * model.output_shape[-1]  # bytes
    if logits > _LARGE and on_cpu() and logits > free_memory():
        raise MemoryError


@contextmanager
def memory_errors(shape: Sequence[int]) -> Iterator[None]:
    """Turns what a backend raises out of memory into an `InputError` of the images.

    Args:
        shape: Theirs, (B, H, W, C).
    """
    try:
        yield
    except Exception as error:  # each backend has its own
        if not _OUT_OF_MEMORY.search(f"{type(error).__name__}: {error}"):
            raise
        batch, height, width = shape[:3]
        what = f"The image is {height}x{width}, which"
        if batch > 1:
            what = f"The batch of {batch} images of {height}x{width}"
        raise InputError(
            f"{what} does not fit in the memory; use sliding_window, or smaller images."
        ) from error


def image_channels(model: keras.Model) -> int:
    """Number of channels of a model's images; 3 also where it leaves them open."""
    return model.input_shape[-1] or 3


def check_images(
    images: np.ndarray,
    options: InferenceOptions = SINGLE_PASS,
    *,
    smallest_side: int = 1,
    fixed: tuple[int | None, int | None] = (None, None),
    channels: int = 3,
) -> None:
    """Raises `InputError` for images of a wrong type or size, also once scaled or cut.

    The network takes sides from `smallest_side` on, or only those that are `fixed`.
    """
    shape, dtype = tuple(images.shape), keras.backend.standardize_dtype(images.dtype)
    if len(shape) != 4 or shape[-1] != channels or dtype != "uint8" or 0 in shape:
        raise InputError(
            f"Images are uint8 (batch, height, width, {channels}), not {dtype} {shape}."
        )
    for scale in options.scales:
        height, width, said = _scored_size(shape[1:3], scale, options.sliding_window)
        if min(height, width) < smallest_side:
            raise InputError(
                f"{said}, but this model's smallest side is {smallest_side} pixels; "
                f"{_remedy(options)} or use a model with global pooling."
            )
        pairs = zip(fixed, (height, width), strict=True)
        if any(side not in (None, given) for side, given in pairs):
            raise InputError(
                f"{said}, but this model was built for {fixed[0]}x{fixed[1]} only; "
                f"resize it, or build the model with "
                f"input_shape=(None, None, {channels})."
            )


def _scored_size(sides, scale, window) -> tuple[int, int, str]:
    """Returns the size that the network gets, and in words how it comes about."""
    height, width = sides
    said = f"The image is {height}x{width}"
    if scale != 1:
        height, width = scaled_side(height, scale), scaled_side(width, scale)
        said += f", {height}x{width} at scale {scale:g}"
    if window is not None:
        height, width = min(height, window[0]), min(width, window[1])
        said += f", in windows of {height}x{width}"
    return height, width, said


def _remedy(options: InferenceOptions) -> str:
    if options.sliding_window is not None:
        return "enlarge the image and the windows"
    return "enlarge the image" if options.scales == (1,) else "enlarge image or scale"


def check_array(pixels: np.ndarray, channels: int = 3) -> np.ndarray:
    """Returns `pixels`; InputError if not uint8 (H, W, channels) or a batch of such."""
    shape, dtype = pixels.shape, pixels.dtype
    if dtype != np.uint8:
        raise InputError(
            f"An image array is uint8, 0 to 255, not {dtype} {shape}; "
            + (
                "if its values are 0 to 1, give (255 * image).round().astype('uint8')."
                if np.issubdtype(dtype, np.floating)
                else "if its values are in that range, give image.astype('uint8')."
            )
        )
    if len(shape) in (3, 4) and shape[-1] == channels and 0 not in shape:
        return pixels
    kind = "RGB, " if channels == 3 else ""
    raise InputError(
        f"An image array is {kind}(height, width, {channels}) or (batch, height, "
        f"width, {channels}), not {shape}; {_array_hint(shape, channels)}."
    )


def _array_hint(shape: tuple[int, ...], channels: int) -> str:
    if len(shape) == 3 and shape[0] == channels:
        return "put the channels last: image.transpose(1, 2, 0)"
    if channels != 3:
        return "this model takes no other number of channels"
    if len(shape) in (3, 4) and shape[-1] == 4:
        return "drop the alpha channel: image[..., :3]"
    if len(shape) in (3, 4) and shape[-1] == 1:
        return "repeat the grey channel: image.repeat(3, -1)"
    if len(shape) == 2:
        return "make grey RGB: np.stack([image] * 3, -1)"
    return "give such an array"


def _compile(model: keras.Model, compute: _Compute) -> ScoreFunction:
    classes = model.output_shape[-1]

    def forward(images):
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Windows and scaled images lose their size, which a fixed model wants.
            images = tf.ensure_shape(images, model.input_shape)
        return model(images, training=False)

    compiled = compile_function(
        model, lambda images: compute(Network(forward, classes), images)
    )
    return lambda images: keras.ops.convert_to_numpy(compiled(images))


def _arg_max(logits: Tensor, dtype: str) -> Tensor:
    """Returns the class with the largest logit, the lower of two equal ones.

    keras.ops.argmax would pass over the logits twice more to order the two zeros.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return _arg_max_on_tensorflow(logits, dtype)
    if backend == "torch":
        import torch

        return logits.argmax(-1).to(getattr(torch, dtype))
    import jax

    return jax.numpy.argmax(logits, axis=-1).astype(dtype)


def _arg_max_on_tensorflow(logits, dtype):
    import tensorflow as tf

    def arg_max(logits):
        return tf.cast(tf.argmax(logits, axis=-1), dtype)

    # On a CPU TensorFlow's own arg-max takes a tenth of the time of an os32 network,
    # XLA's a fiftieth; but XLA compiles for every size, so only where it is known.
    if logits.shape.is_fully_defined() and on_cpu():
        return tf.function(arg_max, jit_compile=True, autograph=False)(logits)
    return arg_max(logits)
