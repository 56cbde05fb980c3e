"""Segmenter: images in, labels out, with a model, a preset, a file or an export."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, overload

import keras
import numpy as np

from keras_lraspp.arguments import known_arguments_only
from keras_lraspp.classes import ClassSet, resolve_classes
from keras_lraspp.errors import InputError, UserError
from keras_lraspp.inference.tta import InferenceOptions
from keras_lraspp.palettes import Palette
from keras_lraspp.prediction.engines import Engine, with_engine
from keras_lraspp.prediction.outputs import Job, Results
from keras_lraspp.prediction.pictures import (
    Picture,
    holds_pictures,
    picture_path,
    read_picture,
)
from keras_lraspp.prediction.predictors import (
    Predictor,
    Source,
    name_classes,
    open_predictor,
)
from keras_lraspp.prediction.segmentation import Segmentation

Pictures = Picture | Iterable[Picture]


@known_arguments_only
class Segmenter:
    """Segments images: files, PIL images, arrays, tensors, batches and lists of them.

    It can be pickled, for other processes, and called from several threads.

    Args:
        model: A model that takes uint8 pixels (B, H, W, channels) and returns logits
            or probabilities (B, H, W, classes), of one channel those of a foreground,
            see `logits_head`; or what `LRASPP.from_preset` takes, with its weights: a
            name such as `"os8_global_cityscapes"`, a `.keras`, `.pdparams`, `.pth` or
            `.safetensors` file; or an exported file, `.onnx`, `.tflite` or a
            SavedModel's folder, which runs in its own runtime; or a `Predictor`.
        classes: Names and colours of the model's classes: a `ClassSet`,
            `"cityscapes"` or another of `CLASS_SETS`, or a list of names. `None` for
            those of the file, preset or `LRASPP`; of another model, "class 0",
            "class 1", ... in PASCAL VOC's colours. Of a model of one channel, the two,
            or the name of the foreground, the other being "background".
        flip: Whether to average with the mirrored image, at twice the time.
        scales: Factors of the image's sides to average over.
        sliding_window: (height, width) in pixels of the windows that the image is cut
            into; `None` for none.
        stride: (down, across) in pixels from window to window; `None` for two thirds
            of the window.
        variant: Row of the table of variants that a file of another code base belongs
            to, where several have the same tensors.
        from_logits: Whether a model of yours returns logits; `None` to find out, which
            a softmax or sigmoid inside a `Lambda` or layer of yours may prevent.
        engine: What finds the labels of a Keras model: `"keras"`; `"onnx"` or
            `"litert"`, faster on most CPUs, by an export that is made once and kept,
            see `with_engine`; or `"auto"`, ONNX Runtime if its file is there already.

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
        result = segmenter.predict("street.jpg")
        print(result.classes)  # names and shares
        result.save("output/street")
        ```
    """

    def __init__(
        self,
        model: Source,
        classes: ClassSet | str | int | Sequence[str] | None = None,
        *,
        flip: bool = False,
        scales: Sequence[float] = (1.0,),
        sliding_window: tuple[int, int] | None = None,
        stride: tuple[int, int] | None = None,
        variant: str | None = None,
        from_logits: bool | None = None,
        engine: Engine = "keras",
    ):
        """Takes or loads the model; nothing is compiled before the first image."""
        options = InferenceOptions(
            flip=flip, scales=scales, sliding_window=sliding_window, stride=stride
        )
        opened, known = open_predictor(model, options, variant, from_logits)
        self.predictor = with_engine(opened, engine)
        named = known if classes is None else resolve_classes(classes)
        self.classes = name_classes(self.predictor, named)

    @property
    def model(self) -> keras.Model | None:
        """The Keras model; `None` for another `Predictor`."""
        return getattr(self.predictor, "model", None)

    @property
    def options(self) -> InferenceOptions:
        """What is done beside one pass over the image."""
        return self.predictor.options

    @property
    def channels(self) -> int:
        """Channels of the images that the model takes; 3 are RGB."""
        return getattr(self.predictor, "channels", 3)

    @overload
    def __call__(self, image: Picture) -> np.ndarray: ...
    @overload
    def __call__(self, image: Sequence[Picture]) -> list[np.ndarray]: ...
    @overload
    def __call__(self, image: Iterable[Picture]) -> Iterator[np.ndarray]: ...

    def __call__(self, image: Pictures) -> Any:
        """Returns the class of every pixel.

        Args:
            image: The path or the bytes of a file, an open file, a PIL image, an array
                or tensor of uint8 (H, W, channels), or a batch of such (B, H, W,
                channels); or a list of any of these, of any sizes, or a generator. The
                orientation that a camera noted is applied to files and PIL images.

        Returns:
            (H, W), or (B, H, W) for a batch, of the size of the upright image: uint8
            up to 256 classes, int32 above. A list for a list or tuple; for another
            iterable an iterator, which takes an image whenever a result is asked for.

        Raises:
            InputError: If the file cannot be read, or the image is of another type
                or of a size that the model does not take.
        """
        return self._each(image, self._scorer(self.predictor.labels))

    @overload
    def probabilities(self, image: Picture) -> np.ndarray: ...
    @overload
    def probabilities(self, image: Sequence[Picture]) -> list[np.ndarray]: ...
    @overload
    def probabilities(self, image: Iterable[Picture]) -> Iterator[np.ndarray]: ...

    def probabilities(self, image: Pictures) -> Any:
        """Returns the probability of every class at every pixel.

        Args:
            image: As for a call.

        Returns:
            float32 (H, W, classes), or (B, H, W, classes) for a batch. They add to 1
            over the classes, unless the model ends in a sigmoid over several. A list or
            an iterator as of a call.

        Raises:
            InputError: As a call does.
        """
        return self._each(image, self._scorer(self.predictor.probabilities))

    @overload
    def predict(
        self, image: Picture, *, probabilities: bool = False
    ) -> Segmentation: ...
    @overload
    def predict(
        self, image: Sequence[Picture], *, probabilities: bool = False
    ) -> list[Segmentation]: ...
    @overload
    def predict(
        self, image: Iterable[Picture], *, probabilities: bool = False
    ) -> Iterator[Segmentation]: ...

    def predict(self, image: Pictures, *, probabilities: bool = False) -> Any:
        """Returns labels with what is made of them: shares, overlay, files.

        Args:
            image: As for a call.
            probabilities: Whether to keep them in the result, from the same run of the
                network; otherwise it runs again when they are asked for.

        Returns:
            A `Segmentation`; a list of them for a batch; a list or an iterator as of a
            call. Each is named after its file; those without a file, and further ones
            of the same name, get the image's number, `image_000000`.

        Raises:
            InputError: As a call does.
        """

        def segment(picture: Picture, name: str) -> Any:
            pixels = read_picture(picture, self.channels)
            images, soft = (pixels if pixels.ndim == 4 else pixels[None]), None
            if probabilities:
                labels, soft = _labels_and_probabilities(self.predictor, images)
            else:
                labels = self.predictor.labels(images)
            results = [
                Segmentation(
                    images[index],
                    labels[index],
                    self.classes,
                    name=name if pixels.ndim == 3 else f"{name}_{index:06}",
                    probabilities=None if soft is None else soft[index],
                    predictor=self.predictor,
                )
                for index in range(len(images))
            ]
            return results if pixels.ndim == 4 else results[0]

        return self._each(image, segment)

    def overlay(
        self,
        image: Picture,
        *,
        opacity: float = 0.5,
        borders: bool = True,
        legend: bool = False,
        min_region: int = 0,
        palette: Palette | None = None,
    ) -> np.ndarray:
        """Returns one image with its labels laid over it.

        Args:
            image: As for a call, but no batch and no list.
            opacity: Weight of the colours, 0 to 1.
            borders: Whether to draw a thin line around each region.
            legend: Whether to name the classes that are there, with their shares, in a
                strip below.
            min_region: Regions of fewer pixels are drawn as the class around them.
            palette: RGB, 0..255, of each class; `None` for `picture_palette`.

        Returns:
            uint8 RGB (H, W, 3); higher, and wider if a name needs it, with a legend.
        """
        result = None if holds_pictures(image) else self.predict(image)
        if not isinstance(result, Segmentation):
            raise InputError(
                "An overlay is of one image, not of a batch or list; call it for each."
            )
        return result.overlay(
            opacity=opacity,
            borders=borders,
            legend=legend,
            min_region=min_region,
            palette=palette,
        )

    def pixels(self, image: Picture) -> np.ndarray:
        """Returns what the model gets to see of `image`: uint8, RGB of 3 channels."""
        return read_picture(image, self.channels)

    def _scorer(self, function: Callable[[np.ndarray], np.ndarray]) -> Callable:
        def score(picture: Picture, _: str) -> np.ndarray:
            pixels = self.pixels(picture)
            return function(pixels) if pixels.ndim == 4 else function(pixels[None])[0]

        return score

    def _each(self, image: Any, one: Callable, name: str = "image") -> Any:
        """Calls `one(picture, name)` of a picture, or of each that there is."""
        if not holds_pictures(image):
            path = picture_path(image)
            return one(image, Path(path).stem if path else name)
        results = self._results(image, one, name)
        return [*results] if isinstance(image, (list, tuple)) else results

    def _results(self, images: Iterable, one: Callable, name: str) -> Iterator:
        taken = set()

        def unique(picture: Picture, stem: str) -> Any:
            stem = stem if stem not in taken else f"{stem}_{index:06}"
            taken.add(stem)
            return one(picture, stem)

        for index, image in enumerate(images):
            try:
                yield self._each(image, unique, f"{name}_{index:06}")
            except UserError as error:
                raise type(error)(f"Image {index}: {error}") from error


def _labels_and_probabilities(
    predictor: Predictor, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels (B, H, W) and probabilities (B, H, W, classes) of one run."""
    soft = predictor.probabilities(images)
    wide = soft.shape[-1] > 256
    return soft.argmax(-1).astype(np.int32 if wide else np.uint8), soft


def results_function(segmenter: Segmenter, job: Job) -> Callable[[np.ndarray], Results]:
    """Makes the function from an image to its labels and, if `job` has them, scores."""
    if job.probabilities is None:
        return lambda pixels: (segmenter(pixels), None)

    def both(pixels: np.ndarray) -> Results:
        images = segmenter.pixels(pixels)[None]
        labels, soft = _labels_and_probabilities(segmenter.predictor, images)
        # Half the bytes; 11 bits are finer than any network's calibration.
        return labels[0], soft[0].astype(np.float16)

    return both
