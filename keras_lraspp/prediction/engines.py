"""Engines of the predict command: Keras, or ONNX Runtime by an export that is kept."""

import hashlib
import importlib.util
import json
import sys
from pathlib import Path
from typing import Literal

import keras
import numpy as np

import keras_lraspp
from keras_lraspp.devices import on_cpu
from keras_lraspp.errors import InputError, UserError
from keras_lraspp.files import package_versions
from keras_lraspp.inference.functions import LARGE_IMAGE
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.prediction.predictors import KerasPredictor, Predictor
from keras_lraspp.weights.published import cache_folder

Engine = Literal["auto", "keras", "onnx"]

_FEWEST = 30  # images of a run that make up for an export
_PACKAGES = ("onnx", "onnxruntime", "onnxscript", "tf2onnx")


class OnnxPredictor(KerasPredictor):
    """A Keras model whose labels ONNX Runtime finds, but for those of large images.

    Probabilities are Keras's.
    """

    def __init__(self, model: keras.Model, path: Path):
        from keras_lraspp.export.runtimes import open_onnx

        super().__init__(model)
        by_keras, exported = self.labels, open_onnx(path)

        def labels(images: np.ndarray) -> np.ndarray:
            large = images.shape[1] * images.shape[2] > LARGE_IMAGE
            return by_keras(images) if large else exported.labels(images)

        self.path = path
        self.labels = labels

    def __reduce__(self):
        """Leaves out what is compiled or opened: it is made anew."""
        return type(self), (self.model, self.path)


def with_engine(
    network: keras.Model | Predictor,
    engine: Engine,
    options: InferenceOptions,
    images: int,
) -> keras.Model | Predictor:
    """Gives a network the engine that runs it, and says on stderr if it is not Keras.

    Args:
        network: A model, or an exported file, which has its own runtime.
        engine: `"onnx"` exports the network once, compares the labels, and keeps the
            file, see `engine_file`. `"auto"` does so where it is likely to be faster:
            with TensorFlow on a CPU, one pass in float32, and 30 images or a file that
            is there; else, and if the export fails, Keras runs it.
        options: What is done beside one pass over the image.
        images: Their number.

    Raises:
        InputError: For `"onnx"` where it cannot be.
    """
    if engine == "keras":
        return network
    fits = isinstance(network, keras.Model) and options == SINGLE_PASS
    if engine == "auto" and not (fits and _can_pay(network)):
        return network
    if not fits:
        raise InputError(
            "The engine onnx is for a Keras network that sees each image once; leave "
            "out flip, scales and sliding_window, or --engine."
        )
    few = images < _FEWEST
    if engine == "auto" and few and not engine_file(network).is_file():
        return network
    try:
        predictor = OnnxPredictor(network, _exported(network))
    except UserError:
        if engine == "onnx":
            raise
        return network
    print(f"ONNX Runtime runs the network: {predictor.path}", file=sys.stderr)
    return predictor


def engine_file(model: keras.Model) -> Path:
    """Where the export of a network is kept: in Keras's folder, as downloads are.

    Its name is the SHA-256 of weights and configuration, and of the versions that the
    file depends on.
    """
    versions = {**package_versions(_PACKAGES), "keras_lraspp": keras_lraspp.__version__}
    graph = json.dumps([model.get_config(), versions], sort_keys=True, default=repr)
    digest = hashlib.sha256(graph.encode())
    for value in model.get_weights():
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return cache_folder() / "engines" / f"{digest.hexdigest()}.onnx"


def _can_pay(network: keras.Model) -> bool:
    if keras.backend.backend() != "tensorflow" or not on_cpu():
        return False
    if network.compute_dtype != "float32":
        return False
    return all(map(importlib.util.find_spec, _PACKAGES))


def _exported(model: keras.Model) -> Path:
    path = engine_file(model)
    if not path.is_file():
        from keras_lraspp.export.onnx import export_onnx

        path.parent.mkdir(parents=True, exist_ok=True)
        # Compared with the model, and put in its place when it is whole.
        export_onnx(model, path, overwrite=True)
    return path
