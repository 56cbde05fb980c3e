"""One inference graph for all formats: uint8 image in, labels or scores out."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

from keras_lraspp.errors import InputError
from keras_lraspp.export.metadata import INPUT, OUTPUTS
from keras_lraspp.export.network import is_lraspp, small_logits

Sides = tuple[int | None, int | None]


def inference_graph(
    model: keras.Model,
    target: str,
    outputs: Sequence[str] = ("labels",),
    sides: Sides = (None, None),
    batch: int | None = None,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the graph that an exported file holds.

    An `LRASPP` is written anew from its weights, without batch norm and with fewer
    operations, see `keras_lraspp.export.network`; another model is called as it is.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
            Later changes to an `LRASPP`'s weights have no effect.
        target: Key of `keras_lraspp.export.network.STYLES`.
        outputs: Some of `OUTPUTS`.
        sides: Height and width of the images; `None` for any.
        batch: Number of images; `None` for any.

    Returns:
        A `tf.function` with the signature `image`, uint8 RGB (batch, *sides, 3). It
        returns, as asked for, `labels`, int32 (B, H, W), the lower class where two are
        equal; `logits` and `probabilities`, float32 (B, H, W, classes).
    """
    logits_of = _logits_function(model, target, _padded_classes(model, target, outputs))

    @tf.function(
        input_signature=[tf.TensorSpec((batch, *sides, 3), tf.uint8, name=INPUT)],
        autograph=False,
    )
    def call(image):
        logits = logits_of(image)
        found = {}
        if "labels" in outputs:
            found["labels"] = tf.argmax(logits, axis=-1, output_type=tf.int32)
        if "logits" in outputs:
            found["logits"] = logits
        if "probabilities" in outputs:
            found["probabilities"] = tf.nn.softmax(logits, axis=-1)
        return {name: tf.identity(found[name], name=name) for name in outputs}

    return call


def _logits_function(model: keras.Model, target: str, padded_classes: int):
    if not is_lraspp(model):
        return lambda image: tf.cast(model(image, training=False), tf.float32)
    small = small_logits(model, target, padded_classes)

    def call(image):
        known = None not in image.shape[1:3]
        size = image.shape[1:3] if known else tf.shape(image)[1:3]
        return tf.image.resize(small(image), size, method="bilinear")

    return call


def _padded_classes(model: keras.Model, target: str, outputs: Sequence[str]) -> int:
    """Returns a multiple of 4, which ONNX Runtime resizes a fifth faster, or 0."""
    if target != "onnx" or tuple(outputs) != ("labels",):
        return 0
    return -(-model.output_shape[-1] // 4) * 4


def require_tensorflow(what: str) -> None:
    """Raises InputError on another backend; `what` is e.g. "An ONNX file"."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"{what} is written by TensorFlow, not {backend}: set "
            f"KERAS_BACKEND=tensorflow. Weights from any backend load there."
        )


def check_outputs(outputs: Sequence[str]) -> tuple[str, ...]:
    """Returns `outputs`; raises InputError if some are unknown, twice or none."""
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if not names or set(names) - set(OUTPUTS) or len(set(names)) < len(names):
        raise InputError(f"outputs are some of {OUTPUTS}, each once, not {outputs!r}.")
    return names


def image_sides(model: keras.Model, size: Sequence[int] | None) -> Sides:
    """Returns the height and width that a file is made for, `None` where any will do.

    Args:
        model: The model.
        size: (height, width) in pixels, or `None` for what the model takes.

    Raises:
        InputError: If the model does not take images of that size.
    """
    own = tuple(model.input_shape[1:3])
    if size is None:
        return own
    sides = tuple(size)
    smallest = getattr(model, "smallest_side", 1)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise InputError(f"size is (height, width) in pixels, not {size!r}.")
    if min(sides) < smallest:
        raise InputError(
            f"size is {sides}, but this model's smallest side is {smallest} pixels."
        )
    pairs = zip(own, sides, strict=True)
    if any(mine not in (None, side) for mine, side in pairs):
        raise InputError(f"size is {sides}, but the model was built for {own}.")
    return sides
