"""Predictors: a model, a preset, a weights file or an export, ready to be used."""

import os
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import label_function, probability_function
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions
from keras_lraspp.models.keras_file import CARD_MEMBER, read_classes
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.weights.keras_archive import read_keras_archive


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
    """A predictor, and its classes if they are known."""

    predictor: Predictor
    classes: ClassSet | None


def open_predictor(
    source: Source, options: InferenceOptions = DEFAULT, variant: str | None = None
) -> Opened:
    """Opens a model, a preset or a file as a `Predictor`.

    A `.keras` file has its classes if training wrote it; PaddleSeg's weights of 19
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
        return Opened(_check_predictor(source, options), None)
    if is_exported(source):
        return _open_export(source, options)
    path = Path(source).expanduser()
    if path.name.endswith(".keras") and path.is_file():
        archive = read_keras_archive(path)
        model = LRASPP.from_preset(archive)
        classes = read_classes(archive) if CARD_MEMBER in archive.texts else None
    else:
        model = LRASPP.from_preset(source, variant=variant)
        cityscapes = CLASS_SETS["cityscapes"]
        classes = cityscapes if model.num_classes == len(cityscapes.names) else None
    return Opened(KerasPredictor(model, options), classes)


def is_exported(source: str | os.PathLike) -> bool:
    """Whether a path is that of an exported file: ONNX, LiteRT or SavedModel.

    A `.onnx` or `.tflite` file need not be there; a SavedModel's folder has to.
    """
    path = Path(source).expanduser()
    return path.suffix in (".onnx", ".tflite") or (path / "saved_model.pb").is_file()


def _open_export(path: str | os.PathLike, options: InferenceOptions) -> Opened:
    # Not before it is asked for: it brings TensorFlow.
    from keras_lraspp.export.runtimes import open_exported

    if options != DEFAULT:
        raise InputError(
            f"{path} is an exported file, which sees the image once; leave out flip, "
            f"scales and sliding_window, or give the .keras file."
        )
    exported = open_exported(Path(path).expanduser())
    if not exported.num_classes:
        raise InputError(
            f"{path} does not say how many classes it has; export it with export.py."
        )
    return Opened(exported, exported.classes)


def _check_predictor(source: Predictor, options: InferenceOptions) -> Predictor:
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
