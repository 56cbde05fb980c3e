"""What enters an evaluation: a model with weights of a file, or an exported file."""

from collections.abc import Callable
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.inference.labels import LabelFunction, label_function
from keras_lraspp.inference.options import InferenceOptions
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.predictors import is_exported, open_predictor


def entrant(
    load: Callable[..., keras.Model],
    factory: Callable[..., keras.Model],
    weights: str | Path,
    classes: int,
    options: InferenceOptions,
) -> tuple[keras.Model | None, LabelFunction]:
    """Returns the model, if it is one, and its labels; an exported file has only these.

    Args:
        load: Called with the next three; makes a model.
        factory: Makes a network without weights.
        weights: A weights file, or an exported file.
        classes: Number of the data set's classes.
        options: What is done beside one pass over the image.

    Raises:
        InputError: For weights that do not fit, or an exported file with options.
    """
    if not is_exported(weights):
        model = load(factory, weights, classes)
        return model, label_function(model, options)
    predictor = open_predictor(weights, options).predictor
    if predictor.num_classes != classes:
        raise InputError(
            f"{weights} predicts {predictor.num_classes} classes, not {classes}; it "
            f"cannot be evaluated on these images."
        )
    return None, predictor.labels


def own_model(
    factory: Callable[..., keras.Model], weights: str | Path, classes: int
) -> keras.Model:
    """Loads weights of the configured network."""
    model = factory(num_classes=classes)
    load_weights(model, weights)
    return model


def other_model(
    factory: Callable[..., keras.Model], weights: str | Path, classes: int
) -> keras.Model:
    """Loads other weights; a `.keras` file may be of another variant."""
    try:
        return own_model(factory, weights, classes)
    except InputError:
        if not Path(weights).is_file() or not str(weights).endswith(".keras"):
            raise
        model = LRASPP.from_preset(weights)
        if model.num_classes != classes:
            raise InputError(
                f"{weights} predicts {model.num_classes} classes, not {classes}; it "
                f"cannot be compared on these images."
            ) from None
        return model
