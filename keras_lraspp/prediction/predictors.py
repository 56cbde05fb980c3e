"""Networks that are ready to be used: Keras models, presets, files and exports."""

import os
from pathlib import Path
from typing import NamedTuple, Protocol

import keras
import numpy as np

from keras_lraspp.classes import (
    ClassSet,
    foreground_classes,
    generic_class_set,
    resolve_classes,
)
from keras_lraspp.errors import InputError
from keras_lraspp.inference.functions import (
    image_channels,
    label_function,
    probability_function,
)
from keras_lraspp.inference.heads import logits_head, smallest_side
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.models.keras_file import known_classes, open_weights
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.presets import presumed_classes
from keras_lraspp.weights.hub import is_preset_folder


class Predictor(Protocol):
    """A network that is ready to be used.

    Attributes:
        num_classes: Number of classes, two or more.
        channels: Channels of an image; 3, RGB, of a predictor that does not say it.
        smallest_side: Smallest height and width of an image, in pixels.
        options: What is done beside one pass over the image.
    """

    num_classes: int
    smallest_side: int
    options: InferenceOptions

    def labels(self, images: np.ndarray, /) -> np.ndarray:
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

    def probabilities(self, images: np.ndarray, /) -> np.ndarray:
        """Returns float32 (B, H, W, num_classes); images and errors as of `labels`."""
        ...


class KerasPredictor:
    """A Keras model as a `Predictor`; nothing is compiled before the first image.

    The model takes uint8 pixels (B, H, W, channels) and returns logits (B, H, W,
    classes) or probabilities, see `logits_head`. It can be pickled if the model can.
    """

    def __init__(
        self,
        model: keras.Model,
        options: InferenceOptions = SINGLE_PASS,
        from_logits: bool | None = None,
    ):
        head = logits_head(model, from_logits)
        self.model = model
        self.num_classes = head.model.output_shape[-1]
        self.channels = image_channels(head.model)
        self.smallest_side = smallest_side(model)
        self.options = options
        self.from_logits = from_logits
        self.labels = label_function(head, options)
        self.probabilities = probability_function(head, options)

    def __reduce__(self):
        """Leaves out what is compiled: it is made anew."""
        return type(self), (self.model, self.options, self.from_logits)


Source = keras.Model | Predictor | str | os.PathLike


class Opened(NamedTuple):
    """A predictor, and its classes if they are known."""

    predictor: Predictor
    classes: ClassSet | None


def open_predictor(
    source: Source,
    options: InferenceOptions = SINGLE_PASS,
    variant: str | None = None,
    from_logits: bool | None = None,
) -> Opened:
    """Opens a model, a preset or a file as a `Predictor`.

    A `.keras` file has its classes if training wrote it; weights of another code base,
    of as many classes as its published ones, are taken to have theirs.

    Args:
        source: A model, a predictor, an exported file, or what `LRASPP.from_preset`
            takes: the name of published weights, a `.keras` file, or a file of another
            code base: `.pdparams`, `.pth`, `.pt` or `.safetensors`.
        options: What to do beside one pass over the image.
        variant: Row of the table of variants that such a file belongs to, if several
            have the same tensors.
        from_logits: Whether a model returns logits; `None` to find out.

    Returns:
        The network and its classes.

    Raises:
        InputError: For an unknown name, a file that does not fit, or options beside
            an exported file, or a predictor, which has its own.
        StorageError: If weights cannot be downloaded or read.
    """
    if isinstance(source, keras.Model):
        predictor = KerasPredictor(source, options, from_logits)
        named = source.classes if isinstance(source, LRASPP) else None
        return Opened(predictor, None if named is None else resolve_classes(named))
    if from_logits is not None:
        raise InputError(
            f"from_logits is for a keras.Model, and {source} says what it returns; "
            f"leave it out."
        )
    if not isinstance(source, (str, os.PathLike)):
        return Opened(_check_predictor(source, options), None)
    if is_exported(source):
        return _open_export(source, options)
    path = Path(os.path.expanduser(source))
    in_folder = is_preset_folder(source)
    if in_folder or (path.name.endswith(".keras") and path.is_file()):
        archive = open_weights(source if in_folder else path)
        model = LRASPP.from_preset(archive)
        classes = known_classes(archive)
    else:
        model = LRASPP.from_preset(os.fspath(source), variant=variant)
        classes = presumed_classes(model)
    return Opened(KerasPredictor(model, options), classes)


def name_classes(predictor: Predictor, named: ClassSet | None) -> ClassSet:
    """Returns names and colours of a predictor's classes.

    Args:
        predictor: The network.
        named: The names that were given or are known; of a model of one channel also
            that of the foreground alone.

    Raises:
        InputError: If they are not as many as the network's classes.
    """
    number = predictor.num_classes
    model = getattr(predictor, "model", None)
    if model is not None and model.output_shape[-1] == 1:
        named = foreground_classes(named)
    named = generic_class_set(number) if named is None else named
    if len(named.names) != number:
        raise InputError(
            f"The model predicts {number} classes, but {len(named.names)} are named; "
            f"give as many names."
        )
    return named


def is_exported(source: str | os.PathLike) -> bool:
    """Whether a path is that of an exported file: ONNX, LiteRT or SavedModel.

    A `.onnx` or `.tflite` file need not be there; a SavedModel's folder has to.
    """
    path = Path(os.path.expanduser(source))
    return path.suffix in (".onnx", ".tflite") or (path / "saved_model.pb").is_file()


def _open_export(path: str | os.PathLike, options: InferenceOptions) -> Opened:
    # Not before it is asked for: it brings TensorFlow.
    from keras_lraspp.export.runtimes import open_exported

    if options != SINGLE_PASS:
        raise InputError(
            f"{path} is an exported file, which sees the image once; leave out flip, "
            f"scales and sliding_window, or give the .keras file."
        )
    exported = open_exported(os.path.expanduser(path))
    if not exported.num_classes:
        raise InputError(
            f"{path} does not say how many classes it has; export it with export.py."
        )
    return Opened(exported, exported.classes and ClassSet(*exported.classes))


def _check_predictor(source: Predictor, options: InferenceOptions) -> Predictor:
    if not callable(getattr(source, "labels", None)):
        raise InputError(
            f"A Segmenter takes a keras.Model, the name of a preset, or the path of a "
            f".keras, .pdparams, .pth or exported file, not {type(source).__name__}; "
            f"give one of these."
        )
    if source.num_classes < 2:
        raise InputError(
            f"A {type(source).__name__} has {source.num_classes} class; let it have "
            f"two, the other being the background."
        )
    if options not in (SINGLE_PASS, source.options):
        raise InputError(
            f"A {type(source).__name__} has its own options, {source.options}; give "
            f"them where it is made."
        )
    return source
