"""A ready network from whatever names it: a model, a preset, a file or an export."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import label_function, probability_function
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions
from keras_lraspp.models.keras_file import (
    find_file_classes,
    has_card,
    noted_classes,
    say_classes,
)
from keras_lraspp.models.lraspp import LRASPP


class Predictor(Protocol):
    """A network that is ready to be used.

    Attributes:
        num_classes: Number of classes.
        smallest_side: Smallest height and width of an image, in pixels.
        options: What is done beside one pass over the image.
    """

    num_classes: int
    smallest_side: int
    options: InferenceOptions

    def labels(self, images: np.ndarray) -> np.ndarray:
        """Returns the class of every pixel.

        Args:
            images: uint8 RGB (B, H, W, 3).

        Returns:
            (B, H, W): uint8 up to 256 classes, int32 above.

        Raises:
            InputError: For images of another shape or type, or of a size that the
                network does not take.
        """
        ...

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Returns float32 (B, H, W, num_classes); images and errors as of `labels`."""
        ...


class KerasPredictor:
    """A Keras model as a `Predictor`; nothing is compiled before the first image.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
        options: See `label_function`.

    Attributes:
        model: The model.
        num_classes: Number of its classes.
        smallest_side: Smallest height and width that it takes, in pixels.
        options: The options.
        labels: `label_function` of it.
        probabilities: `probability_function` of it.
    """

    def __init__(self, model: keras.Model, options: InferenceOptions = DEFAULT):
        self.model = model
        self.num_classes = model.output_shape[-1]
        self.smallest_side = getattr(model, "smallest_side", 1)
        self.options = options
        self.labels = label_function(model, options)
        self.probabilities = probability_function(model, options)


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
        source: A model, a predictor, an exported file, or what `LRASPP.from_preset`
            takes: the name of published weights, a `.keras` file, or PaddleSeg's
            weights.
        options: What to do beside one pass over the image.
        variant: Row of the table of variants that a `.pdparams` file belongs to, if
            several have the same tensors.

    Returns:
        The network and its classes.

    Raises:
        InputError: For an unknown name, a file that does not fit, or options beside
            an exported file, or a predictor, which has its own.
        StorageError: If weights cannot be downloaded or read.
    """
    if isinstance(source, keras.Model):
        return Opened(KerasPredictor(source, options), None)
    if not isinstance(source, (str, os.PathLike)):
        return Opened(_as_it_is(source, options), None)
    if is_exported(source):
        return _opened_export(source, options)
    model = LRASPP.from_preset(source, variant=variant)
    return Opened(KerasPredictor(model, options), _classes(source, model))


def is_exported(source: str | os.PathLike) -> bool:
    """Says whether a path is that of an exported file: ONNX, LiteRT or SavedModel.

    A `.onnx` or `.tflite` file need not be there; a SavedModel's folder has to.
    """
    path = Path(source).expanduser()
    return path.suffix in (".onnx", ".tflite") or (path / "saved_model.pb").is_file()


class ExportedPredictor:
    """An exported file as a `Predictor`, in its own runtime.

    Args:
        path: The file, or the folder of a SavedModel's version.

    Attributes:
        num_classes: Number of classes.
        smallest_side: Smallest height and width of an image, in pixels.
        options: One pass over the image.
        classes: Names and colours of the classes, `None` if the file says none.
        variant: Name of the network, `None` if the file says none.
        labels: See `Predictor`.
        probabilities: See `Predictor`; not every file has them.

    Raises:
        InputError: If it is damaged, of another interface, or its runtime is missing.
    """

    options = DEFAULT

    def __init__(self, path: str | os.PathLike):
        # Not before it is asked for: it brings TensorFlow.
        from keras_lraspp.export.runtimes import open_exported

        opened = open_exported(Path(path).expanduser())
        if not opened.num_classes:
            raise InputError(
                f"{path} does not say how many classes it has; export it with "
                f"export.py."
            )
        self.num_classes = opened.num_classes
        self.smallest_side = opened.smallest_side
        self.classes = opened.classes and ClassSet(*opened.classes)
        self.variant = opened.variant
        self.labels = opened.labels
        self.probabilities = opened.probabilities


def _opened_export(path: str | os.PathLike, options: InferenceOptions) -> Opened:
    if options != DEFAULT:
        raise InputError(
            f"{path} is an exported file, which sees the image once; leave out flip, "
            f"scales and sliding_window, or give the .keras file."
        )
    predictor = ExportedPredictor(path)
    return Opened(predictor, predictor.classes)


def _as_it_is(source: Predictor, options: InferenceOptions) -> Predictor:
    if not callable(getattr(source, "labels", None)):
        raise InputError(
            f"A Segmenter takes a keras.Model, the name of a preset, or the path of a "
            f".keras, .pdparams or exported file, not {type(source).__name__}; give "
            f"one of these."
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


def find_classes(
    classes: str | int | Sequence[str] | None, weights: str | Path
) -> ClassSet:
    """Finds names and colours of classes, also those that an exported file notes.

    Args:
        classes: As for `find_file_classes`.
        weights: The model's weights file, or an exported file.

    Returns:
        Names and colours.

    Raises:
        InputError: For an unknown name, or if nothing is noted.
    """
    if classes is not None or not is_exported(weights):
        return find_file_classes(classes, weights, "predict")
    noted = ExportedPredictor(weights).classes
    if noted is None:
        raise InputError(say_classes(weights, "predict"))
    return noted
