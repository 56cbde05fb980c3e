"""Engines that run a network: Keras, or ONNX Runtime and LiteRT by kept exports."""

import hashlib
import importlib.util
import json
import threading
from pathlib import Path
from typing import Literal, get_args

import keras
import numpy as np

import keras_lraspp
from keras_lraspp.devices import on_cpu
from keras_lraspp.errors import InputError, UserError, naming_packages
from keras_lraspp.files import package_versions
from keras_lraspp.inference.functions import LARGE_IMAGE
from keras_lraspp.inference.tta import SINGLE_PASS
from keras_lraspp.prediction.predictors import KerasPredictor, Predictor
from keras_lraspp.weights.published import cache_folder

Engine = Literal["auto", "keras", "onnx", "litert"]
Runtime = Literal["onnx", "litert"]

RUNTIMES = {"onnx": "ONNX Runtime", "litert": "LiteRT"}

_FEWEST = 30  # images of a run that make up for an export
_MOST_SIZES = 4  # of images, each of which LiteRT needs a file for
_PACKAGES = {
    "onnx": ("onnx", "onnxruntime", "onnxscript", "tf2onnx"),
    "litert": ("ai_edge_litert", "tensorflow"),
}
_SUFFIXES = {"onnx": ".onnx", "litert": ".tflite"}


class RuntimePredictor(KerasPredictor):
    """A Keras model whose labels another runtime finds, by an export that is kept.

    Keras finds probabilities, the labels of images above 2048x2048, and with LiteRT
    those of images of a fifth size and more, since each size is a file of its own.

    Args:
        model: The Keras model, on TensorFlow.
        runtime: `"onnx"`, whose file is made or found here, or `"litert"`, whose files
            are when images of their size come.

    Raises:
        InputError: Where such a file cannot be made.
        ParityError: If it gives other labels than the model, also from `labels`.
    """

    def __init__(self, model: keras.Model, runtime: Runtime):
        from keras_lraspp.export.graph import require_tensorflow

        require_tensorflow(f"The file of {RUNTIMES[runtime]}")
        super().__init__(model)
        self.runtime = runtime
        self._by_keras, self._opened = self.labels, {}
        self._lock = threading.Lock()
        self.labels = self._labels
        if runtime == "onnx":
            self._open(None)

    def __reduce__(self):
        """Leaves out what is compiled or opened: it is made anew."""
        return type(self), (self.model, self.runtime)

    def _labels(self, images: np.ndarray) -> np.ndarray:
        sides = images.shape[1:3]
        # Keras has the sentences for images that no network takes.
        usable = images.dtype == np.uint8 and images.shape[3:] == (self.channels,)
        usable = usable and min(sides) >= self.smallest_side
        exported = None
        if usable and np.prod(sides) <= LARGE_IMAGE:
            exported = self._open(None if self.runtime == "onnx" else sides)
        return self._by_keras(images) if exported is None else exported.labels(images)

    def _open(self, sides: tuple[int, int] | None):
        """Opens the export for images of these sides; `None` of too many sizes."""
        from keras_lraspp.export.runtimes import open_exported

        with self._lock:
            if sides not in self._opened and len(self._opened) < _MOST_SIZES:
                path = _exported(self.model, self.runtime, sides)
                self._opened[sides] = open_exported(path)
            return self._opened.get(sides)


def with_engine(predictor: Predictor, engine: Engine, images: int = 0) -> Predictor:
    """Gives a Keras network the engine that finds its labels.

    Args:
        predictor: A `KerasPredictor`; others, as of exported files, have their own
            runtime, and are for `"auto"` and `"keras"` alone.
        engine: `"onnx"` and `"litert"` export the network once, compare the labels, and
            keep the file, see `engine_file`. `"auto"` is `"onnx"` where that is likely
            to be faster: with TensorFlow on a CPU, one pass in float32, and 30 images
            or a file that is there; else, and if the export fails, Keras runs it.
        images: Their number, if it is known.

    Returns:
        `predictor`, or a `RuntimePredictor`.

    Raises:
        InputError: For an unknown engine, or `"onnx"` or `"litert"` where it cannot be.
        ParityError: If an export gives other labels.
    """
    if engine not in get_args(Engine):
        raise InputError(
            f"engine is one of {', '.join(get_args(Engine))}, not {engine!r}."
        )
    if engine == "keras":
        return predictor
    fits = isinstance(predictor, KerasPredictor) and predictor.options == SINGLE_PASS
    if fits and predictor.from_logits is None:
        if engine == "auto":
            return _faster(predictor, images)
        return RuntimePredictor(predictor.model, engine)
    if engine == "auto":
        return predictor
    raise InputError(
        f"The engine {engine} is for a Keras network that sees each image once; leave "
        f"out flip, scales, sliding_window and from_logits, or the engine."
    )


def engine_file(
    model: keras.Model, runtime: Runtime = "onnx", sides: tuple[int, int] | None = None
) -> Path:
    """Where the export of a network is kept: in Keras's folder, as downloads are.

    Its name is the SHA-256 of weights and configuration, of the versions that the file
    depends on, and of the images' height and width, if it is for one size.
    """
    packages = package_versions(_PACKAGES[runtime])
    versions = {**packages, "keras_lraspp": keras_lraspp.__version__}
    described = [model.get_config(), versions, *([sides] if sides else [])]
    graph = json.dumps(described, sort_keys=True, default=repr)
    digest = hashlib.sha256(graph.encode())
    for value in model.get_weights():
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    name = digest.hexdigest() + _SUFFIXES[runtime]
    return cache_folder() / "engines" / name


def _faster(predictor: KerasPredictor, images: int) -> Predictor:
    """Returns the network in ONNX Runtime, or as it is where that would not pay."""
    model = predictor.model
    pays = keras.backend.backend() == "tensorflow" and on_cpu()
    pays = pays and model.compute_dtype == "float32"
    pays = pays and all(map(importlib.util.find_spec, _PACKAGES["onnx"]))
    if not pays or (images < _FEWEST and not engine_file(model).is_file()):
        return predictor
    try:
        return RuntimePredictor(model, "onnx")
    except UserError:
        return predictor


def _exported(
    model: keras.Model, runtime: Runtime, sides: tuple[int, int] | None
) -> Path:
    path = engine_file(model, runtime, sides)
    if path.is_file():
        return path
    # Compared with the model, and put in its place when it is whole.
    with naming_packages(f"The engine {runtime}"):
        if runtime == "onnx":
            from keras_lraspp.export.onnx import export_onnx

            export_onnx(model, path, overwrite=True)
        else:
            from keras_lraspp.export.litert import export_litert

            export_litert(model, path, size=sides, overwrite=True)
    return path
