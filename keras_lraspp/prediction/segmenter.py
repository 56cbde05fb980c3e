"""Segmenter: images in, labels out, with a model, a preset, a file or an export."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, overload

import keras
import numpy as np
from PIL import Image, ImageOps

from keras_lraspp.classes import (
    CLASS_SETS,
    ClassSet,
    generic_class_set,
    resolve_classes,
)
from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image
from keras_lraspp.inference.functions import (
    check_array,
    label_function,
    probability_function,
)
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.models.keras_file import CARD_MEMBER, open_weights, read_classes
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.visualize import overlay, with_legend
from keras_lraspp.weights.hub import is_preset_folder

Picture = str | os.PathLike | Image.Image | np.ndarray
Pictures = Picture | Sequence[Picture]


class Segmenter:
    """Segments images: files, PIL images, arrays, batches and lists of them.

    Args:
        model: A model that takes uint8 pixels (B, H, W, 3) and returns logits
            (B, H, W, classes); or what `LRASPP.from_preset` takes, with its weights: a
            name such as `"os8_global_cityscapes"`, a `.keras` or `.pdparams` file; or
            an exported file, `.onnx`, `.tflite` or a SavedModel's folder, which runs
            in its own runtime; or a `Predictor`.
        classes: Names and colours of the model's classes: a `ClassSet`,
            `"cityscapes"` or another of `CLASS_SETS`, or a list of names. `None` for
            those of the file or of the preset; of a model, "class 0",
            "class 1", ... in PASCAL VOC's colours.
        flip: Whether to average with the mirrored image, at twice the time.
        scales: Factors of the image's sides to average over.
        sliding_window: (height, width) in pixels of the windows that the image is cut
            into; `None` for none.
        stride: (down, across) in pixels from window to window; `None` for two thirds
            of the window.
        variant: Row of the table of variants that a `.pdparams` file belongs to, where
            several have the same tensors.

    Attributes:
        model: The Keras model; `None` for another `Predictor`.
        predictor: What runs the network.
        classes: Names and colours of its classes.
        options: The `InferenceOptions`.

    Raises:
        InputError: If the model cannot be had, `classes` are not as many as its own,
            or for options out of range.
        StorageError: If weights cannot be downloaded or read.

    Example:
        ```python
        segmenter = keras_lraspp.Segmenter("os8_global_cityscapes", flip=True)
        labels = segmenter("street.jpg")
        PIL.Image.fromarray(segmenter.overlay("street.jpg", legend=True)).show()
        ```
    """

    def __init__(
        self,
        model: "Source",
        classes: ClassSet | str | int | Sequence[str] | None = None,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        sliding_window: tuple[int, int] | None = None,
        stride: tuple[int, int] | None = None,
        variant: str | None = None,
    ):
        """Takes or loads the model; nothing is compiled before the first image."""
        options = InferenceOptions(
            flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
        )
        self.predictor, known = open_predictor(model, options, variant)
        number = self.predictor.num_classes
        if classes is not None:
            known = resolve_classes(classes)
        self.classes = generic_class_set(number) if known is None else known
        if len(self.classes.names) != number:
            raise InputError(
                f"The model predicts {number} classes, but "
                f"{len(self.classes.names)} are named; give as many names."
            )

    @property
    def model(self) -> keras.Model | None:
        """The Keras model; `None` for another `Predictor`."""
        return getattr(self.predictor, "model", None)

    @property
    def options(self) -> InferenceOptions:
        """What is done beside one pass over the image."""
        return self.predictor.options

    @overload
    def __call__(self, image: Picture) -> np.ndarray: ...
    @overload
    def __call__(self, image: Sequence[Picture]) -> list[np.ndarray]: ...

    def __call__(self, image: Pictures) -> np.ndarray | list[np.ndarray]:
        """Returns the class of every pixel.

        Args:
            image: A file, a PIL image, uint8 RGB (H, W, 3), a batch of such
                (B, H, W, 3), or a list of any of these, of any sizes. The orientation
                that a camera noted is applied to files and PIL images.

        Returns:
            (H, W), or (B, H, W) for a batch, of the size of the upright image: uint8
            up to 256 classes, int32 above. A list for a list.

        Raises:
            InputError: If the file cannot be read, or the image is of another type
                or of a size that the model does not take.
        """
        return self._each(image, self.predictor.labels)

    @overload
    def probabilities(self, image: Picture) -> np.ndarray: ...
    @overload
    def probabilities(self, image: Sequence[Picture]) -> list[np.ndarray]: ...

    def probabilities(self, image: Pictures) -> np.ndarray | list[np.ndarray]:
        """Returns the probability of every class at every pixel.

        Args:
            image: As for a call.

        Returns:
            float32 (H, W, classes), or (B, H, W, classes) for a batch; they add to 1
            over the classes. A list for a list.

        Raises:
            InputError: As a call does.
        """
        return self._each(image, self.predictor.probabilities)

    def overlay(
        self,
        image: Picture,
        *,
        opacity: float = 0.5,
        borders: bool = True,
        legend: bool = False,
    ) -> np.ndarray:
        """Returns one image with its labels laid over it.

        Args:
            image: As for a call, but no batch and no list.
            opacity: Weight of the colours, 0 to 1.
            borders: Whether to draw a thin line around each region.
            legend: Whether to name the classes that are there in a strip below.

        Returns:
            uint8 RGB (H, W, 3); higher, and wider if a name needs it, with a legend.
        """
        pixels = self.pixels(image)
        if pixels.ndim != 3:
            raise InputError(
                f"An overlay is of one image, not {pixels.shape}; call it for each."
            )
        labels, palette = self(pixels), self.classes.palette
        picture = overlay(pixels, labels, palette, opacity, borders)
        if not legend:
            return picture
        return with_legend(picture, labels, self.classes.names, palette)

    @staticmethod
    def pixels(image: Picture) -> np.ndarray:
        """Returns what the model gets to see of `image`: uint8 RGB."""
        if isinstance(image, (str, os.PathLike)):
            return read_image(Path(image), apply_exif=True)
        if not isinstance(image, Image.Image):
            return check_array(np.asarray(image))
        if image.mode.startswith(("I", "F")):  # Pillow would cut off above 255
            raise InputError(
                f"A PIL image of mode {image.mode} has more than 8 bits per "
                f"channel; give its file, or an image of mode RGB or L."
            )
        return np.array(ImageOps.exif_transpose(image).convert("RGB"))

    def _each(self, image, function: Callable[[np.ndarray], np.ndarray]) -> Any:
        if isinstance(image, (list, tuple)):
            return [self._each(one, function) for one in image]
        pixels = self.pixels(image)
        return function(pixels) if pixels.ndim == 4 else function(pixels[None])[0]


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

    The model takes uint8 pixels (B, H, W, 3) and returns logits (B, H, W, classes).
    """

    def __init__(self, model: keras.Model, options: InferenceOptions = SINGLE_PASS):
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
    source: Source, options: InferenceOptions = SINGLE_PASS, variant: str | None = None
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
    path = Path(os.path.expanduser(source))
    in_folder = is_preset_folder(source)
    if in_folder or (path.name.endswith(".keras") and path.is_file()):
        archive = open_weights(source if in_folder else path)
        model = LRASPP.from_preset(archive)
        classes = read_classes(archive) if CARD_MEMBER in archive.texts else None
    else:
        model = LRASPP.from_preset(os.fspath(source), variant=variant)
        cityscapes = CLASS_SETS["cityscapes"]
        classes = cityscapes if model.num_classes == len(cityscapes.names) else None
    return Opened(KerasPredictor(model, options), classes)


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
            f".keras, .pdparams or exported file, not {type(source).__name__}; give "
            f"one of these."
        )
    if options not in (SINGLE_PASS, source.options):
        raise InputError(
            f"A {type(source).__name__} has its own options, {source.options}; give "
            f"them where it is made."
        )
    return source
