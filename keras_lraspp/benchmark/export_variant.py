"""Writes a variant in all formats that are timed, in a process of its own.

    python -m keras_lraspp.benchmark.export_variant '{"variant": ..., ...}'

It prints one line of JSON: parameters, multiply-adds, and path and bytes by format.
"""

import math
from pathlib import Path

import keras

from keras_lraspp.benchmark.measure import print_result
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.summary import multiply_adds
from keras_lraspp.models.variants import find_variant

CLASSES = CLASS_SETS["cityscapes"]


def main(job: dict) -> dict:
    """Writes the files; the weights are random, which takes as long.

    Args:
        job: `variant`, `formats`, `size` (height and width), `folder`.

    Returns:
        `parameters`, trainable ones; `multiply_adds` of one image; `files`, by format
        `path` and `bytes`.
    """
    size, folder = tuple(job["size"]), Path(job["folder"])
    arguments = find_variant(job["variant"]).arguments
    model = LRASPP(len(CLASSES.names), **arguments)
    if min(size) < model.smallest_side:
        raise InputError(f"its smallest side is {model.smallest_side} pixels")
    writers = {
        "keras": _write_keras,
        "saved_model": _write_saved_model,
        "onnx": _write_onnx,
        "litert": _write_litert,
    }
    paths = {name: writers[name](model, size, folder) for name in job["formats"]}
    fixed = LRASPP(len(CLASSES.names), input_shape=(*size, 3), **arguments)
    return {
        "parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "multiply_adds": multiply_adds(fixed),
        "files": {
            name: {"path": str(path), "bytes": _bytes(path)}
            for name, path in paths.items()
        },
    }


def _write_keras(model: keras.Model, size, folder: Path) -> Path:
    model.save(folder / "model.keras")
    return folder / "model.keras"


def _write_saved_model(model: keras.Model, size, folder: Path) -> Path:
    from keras_lraspp.export.saved_model import export_saved_model

    return export_saved_model(model, folder, size=size, classes=CLASSES).path


def _write_onnx(model: keras.Model, size, folder: Path) -> Path:
    from keras_lraspp.export.onnx import export_onnx

    return export_onnx(model, folder / "model.onnx", size=size).path


def _write_litert(model: keras.Model, size, folder: Path) -> Path:
    from keras_lraspp.export.litert import export_litert

    return export_litert(model, folder / "model.tflite", size=size).path


def _bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


if __name__ == "__main__":
    print_result(main)
