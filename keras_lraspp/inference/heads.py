"""Logits, softmax or sigmoid: what a model's last layer gives, each made logits."""

from collections.abc import Iterator
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import InputError

# Layers and operations, by name, behind which values mean what they did before.
_PASSING = frozenset(
    "AlphaDropout Cast Copy Cropping2D Dropout GaussianDropout Identity Resize "
    "ResizeLike Reshape Resizing SpatialDropout2D UpSampling2D".split()
)
_LINEAR = frozenset(
    "BatchNormalization Conv2D Conv2DTranspose Conv3D Dense DepthwiseConv2D "
    "EinsumDense LogSoftmax SeparableConv2D".split()
)
_ACTIVATIONS = {
    keras.activations.softmax: "softmax",
    keras.activations.sigmoid: "sigmoid",
    keras.activations.log_softmax: "logits",
}
_PROBE_SIDE = 64  # pixels, of the image that a model is tried with
_SURE = 0.02  # of probabilities that add to 1: of bfloat16 and many classes


class Head(NamedTuple):
    """A model that gives logits, and what makes them probabilities.

    Attributes:
        model: Takes what the given model takes and returns logits (B, H, W, C) of two
            or more classes.
        activation: `"softmax"`, or `"sigmoid"` where each class has a probability of
            its own, whatever those of the others.
    """

    model: keras.Model
    activation: str


def logits_head(model: keras.Model | Head, from_logits: bool | None = None) -> Head:
    """Makes a model of logits for two or more classes, whatever `model` ends in.

    - Logits of two or more classes: it is the model itself.
    - A softmax, or a sigmoid over several classes: their logarithms or log-odds, so
      that averages over several passes are those of the model without it.
    - One channel z, before or behind a sigmoid: the logits 0 and z of two classes. The
      second is where the sigmoid is above 0.5.

    Which of them it is stands in the model's graph: activations, `Softmax` layers,
    `keras.ops.softmax`, models inside models. Where the graph does not say, as behind a
    `Lambda`, the model is tried with a drawn image: values below 0 or above 1 are
    logits, those that add to 1 probabilities.

    Args:
        model: Takes pixels (B, H, W, any) and returns (B, H, W, classes). A `Head` is
            returned.
        from_logits: Whether it returns logits; `None` to find out.

    Raises:
        InputError: If it returns something else, `from_logits` is wrong, or has to be
            given.
    """
    if isinstance(model, Head):
        return model
    shape = _scores_shape(model)
    graph = _follows_its_graph(model)
    kind = _kind_in_graph(model.outputs[0], shape[-1]) if graph else None
    if from_logits is not None and kind is not None:
        _check_claim(kind, from_logits)
    if kind is None:
        kind = "logits" if from_logits else _kind_of_values(model, from_logits)
    if kind == "softmax" and shape[-1] == 1:
        raise InputError(
            "The model ends in a softmax over one channel, which is always 1; end it "
            "in a sigmoid, or in two channels."
        )
    if kind == "logits" and shape[-1] > 1 and model.output is model.outputs[0]:
        return Head(model, "softmax")
    pixels, scores = model.inputs[0], model.outputs[0]
    if not graph:
        pixels = keras.Input(batch_shape=pixels.shape, dtype=pixels.dtype)
        scores = model(pixels)
    logits = _as_logits(keras.ops.cast(scores, "float32"), kind, scores.dtype)
    activation = kind if kind == "sigmoid" and shape[-1] > 1 else "softmax"
    if shape[-1] == 1:
        logits = keras.ops.concatenate([keras.ops.zeros_like(logits), logits], -1)
    head = keras.Model(pixels, logits, name=model.name)
    head.smallest_side = smallest_side(model)
    return Head(head, activation)


def smallest_side(model: keras.Model) -> int:
    """Smallest height and width of a model's images, in pixels, also if it is inside.

    1 where neither the model nor one that it is made of says it.
    """
    inside = (
        smallest_side(layer)
        for layer in getattr(model, "layers", ())
        if isinstance(layer, keras.Model)
    )
    return getattr(model, "smallest_side", None) or max(inside, default=1)


def _scores_shape(model: keras.Model) -> tuple[int | None, ...]:
    try:
        inputs, shapes = len(model.inputs), [tuple(one.shape) for one in model.outputs]
    except (AttributeError, TypeError, ValueError):
        inputs, shapes = 0, []
    if not shapes:
        raise InputError(
            f"{type(model).__name__} {model.name!r} has no graph that says what it "
            f"takes and returns; give keras.Model(x, model(x)) with "
            f"x = keras.Input((None, None, 3))."
        )
    one = inputs == len(shapes) == 1
    if not one or len(shapes[0]) != 4 or shapes[0][-1] is None:
        raise InputError(
            f"The model {model.name!r} takes {inputs} tensor{'s' * (inputs > 1)} and "
            f"returns {', '.join(map(str, shapes))}; give one that takes an image and "
            f"returns one tensor (batch, height, width, classes)."
        )
    return shapes[0]


def _follows_its_graph(model: keras.Model) -> bool:
    """Whether a model computes what its graph says: a subclass may do more."""
    home = next(kind for kind in type(model).__mro__ if "call" in vars(kind))
    return home.__module__.startswith(("keras.", "keras_lraspp."))


def _kind_in_graph(tensor, classes: int) -> str | None:
    """Returns what a symbolic tensor has: "logits", "softmax", "sigmoid" or `None`."""
    operation, node, index = tensor._keras_history
    name = type(operation).__name__
    if isinstance(operation, keras.Model):
        outputs = getattr(operation, "outputs", None)
        known = outputs and _follows_its_graph(operation)
        return _kind_in_graph(outputs[index], classes) if known else None
    if name in ("Softmax", "Sigmoid"):
        return _if_last(name.lower(), getattr(operation, "axis", -1), tensor, classes)
    activation = getattr(operation, "activation", keras.activations.linear)
    if activation is not keras.activations.linear:
        return _if_last(_ACTIVATIONS.get(activation), -1, tensor, classes)
    if name in _LINEAR:
        return "logits"
    inputs = operation._inbound_nodes[node].input_tensors
    if name in _PASSING or name == "Activation":
        return _kind_in_graph(inputs[0], classes)
    if name in ("Add", "Average"):
        kinds = {_kind_in_graph(one, classes) for one in inputs}
        same = kinds == {"logits"} or (name == "Average" and len(kinds) == 1)
        return kinds.pop() if same else None
    return None


def _if_last(kind: str | None, axis, tensor, classes: int) -> str | None:
    """Returns `kind` if its axis is that of the classes."""
    axes = axis if isinstance(axis, (list, tuple)) else (axis,)
    last = {-1, len(tensor.shape) - 1}
    return kind if last.issuperset(axes) and tensor.shape[-1] == classes else None


def _check_claim(kind: str, from_logits: bool) -> None:
    if from_logits != (kind == "logits"):
        found = "logits" if kind == "logits" else f"probabilities, of a {kind}"
        raise InputError(
            f"The model returns {found}, but from_logits={from_logits}; leave it out."
        )


def _kind_of_values(model: keras.Model, from_logits: bool | None) -> str:
    """Finds what a model returns by trying it, and if need be by `from_logits`."""
    values = np.concatenate([*_probe(model)])
    between = values.min() >= -1e-6 and values.max() <= 1 + 1e-6
    if not between and from_logits is None:
        return "logits"
    if not between:
        raise InputError(
            f"The model returns values from {values.min():.3g} to {values.max():.3g}, "
            f"which are no probabilities, but from_logits=False; leave it out."
        )
    if values.shape[-1] > 1 and np.allclose(values.sum(-1), 1, atol=_SURE):
        return "softmax"
    if from_logits is None:
        raise InputError(
            f"Whether the model {model.name!r} returns logits or probabilities is not "
            f"in its graph, and its values, {values.min():.3g} to {values.max():.3g}, "
            f"may be either; give from_logits=True or from_logits=False."
        )
    return "sigmoid"


def _probe(model: keras.Model) -> Iterator[np.ndarray]:
    """Yields what a model returns for an image of noise and for a flat one."""
    least = max(_PROBE_SIDE, smallest_side(model))
    _, height, width, channels = model.inputs[0].shape
    shape = (1, height or least, width or least, channels)
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for image in (noise, np.full(shape, 128, np.uint8)):
        try:
            scores = model(image, training=False)
        except Exception as error:  # of the backend
            raise InputError(
                f"Whether the model {model.name!r} returns logits or probabilities is "
                f"not in its graph, and it cannot be tried with an image "
                f"{shape[1:]}; give from_logits=True or from_logits=False."
            ) from error
        scores = keras.ops.convert_to_numpy(keras.ops.cast(scores, "float32"))
        yield scores.reshape(-1, scores.shape[-1])


def _as_logits(scores, kind: str, dtype: str):
    """Returns logits of float32 scores that were computed in `dtype`."""
    if kind == "logits":
        return scores
    half = dtype == "float16"
    lowest, step = (2.0**-24, 2.0**-11) if half else (1e-37, 2.0**-24)
    step = 2.0**-8 if dtype == "bfloat16" else step
    if kind == "softmax":
        return keras.ops.log(keras.ops.maximum(scores, lowest))
    scores = keras.ops.clip(scores, lowest, 1 - step)
    return keras.ops.log(scores) - keras.ops.log(1 - scores)
