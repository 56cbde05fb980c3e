"""A ready network from whatever names it: a model, a preset or a file."""

import os
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.data.label_maps import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.inference.predictor import KerasPredictor, Predictor
from keras_lraspp.model_card import has_card, noted_classes
from keras_lraspp.models.lraspp import LRASPP

Source = keras.Model | Predictor | str | os.PathLike


class Opened(NamedTuple):
    """A network and what is known of its classes; `None` if nothing is."""

    predictor: Predictor
    classes: ClassSet | None


def open_predictor(
    source: Source, options: InferenceOptions = DEFAULT, variant: str | None = None
) -> Opened:
    """Makes a network ready.

    A `.keras` file notes its classes if training wrote it; PaddleSeg's weights of 19
    classes are taken for those of Cityscapes.

    Args:
        source: A model, a predictor, or what `LRASPP.from_preset` takes: the name of
            published weights, a `.keras` file, or PaddleSeg's weights.
        options: What to do beside one pass over the image.
        variant: Row of the table of variants that a `.pdparams` file belongs to, if
            several have the same tensors.

    Returns:
        The network and its classes.

    Raises:
        InputError: For an unknown name, a file that does not fit, or options beside a
            predictor, which has its own.
        StorageError: If weights cannot be downloaded or read.
    """
    if isinstance(source, keras.Model):
        return Opened(KerasPredictor(source, options), None)
    if not isinstance(source, (str, os.PathLike)):
        return Opened(_as_it_is(source, options), None)
    model = LRASPP.from_preset(source, variant=variant)
    return Opened(KerasPredictor(model, options), _classes(source, model))


def _as_it_is(source: Predictor, options: InferenceOptions) -> Predictor:
    if not callable(getattr(source, "labels", None)):
        raise InputError(
            f"A Segmenter takes a keras.Model, the name of a preset, or the path of a "
            f".keras or .pdparams file, not {type(source).__name__}; give one of these."
        )
    if options not in (DEFAULT, source.options):
        raise InputError(
            f"A {type(source).__name__} has its own options, {source.options}; give "
            f"them where it is made."
        )
    return source


def _classes(source: str | os.PathLike, model: LRASPP) -> ClassSet | None:
    path = Path(source).expanduser()
    if path.name.endswith(".keras"):
        return noted_classes(path) if has_card(path) else None
    cityscapes = CLASS_SETS["cityscapes"]
    return cityscapes if model.num_classes == len(cityscapes.names) else None
