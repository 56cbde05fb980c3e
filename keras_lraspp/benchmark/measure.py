"""Child processes of the benchmark: export a variant, and time one exported file.

    python -m keras_lraspp.benchmark.measure export '{"variant": ..., ...}'
    python -m keras_lraspp.benchmark.measure time '{"path": ..., ...}'

Each prints one line of JSON. Heavy packages are imported by the function that needs
them, so that the memory of a timed file is that of its own runtime.
"""

import json
import math
import os
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError

_WARM_UP = 3  # calls


def split_kind(kind: str) -> tuple[str, str]:
    """Splits a kind of file, as "litert int8" or "onnx", into format and precision."""
    name, _, precision = kind.partition(" ")
    return name, precision or "float32"


def export_variant(job: dict) -> dict:
    """Writes a variant with random weights, whose time is the same, in some kinds.

    Returns `parameters`, trainable ones; `multiply_adds` of one image; `files`, by
    kind `path` and `bytes`.
    """
    from keras_lraspp.classes import CLASS_SETS
    from keras_lraspp.models.lraspp import LRASPP
    from keras_lraspp.models.summary import at_size, multiply_adds
    from keras_lraspp.weights.published import find_variant

    size, folder = tuple(job["size"]), Path(job["folder"])
    variant, shape = find_variant(job["variant"]), (None, None, job["channels"])
    classes = CLASS_SETS[variant.classes]
    model = LRASPP(variant.num_classes, input_shape=shape, **variant.arguments)
    if min(size) < model.smallest_side:
        raise InputError(f"its smallest side is {model.smallest_side} pixels")
    files = {}
    if any(split_kind(kind)[1] != "float32" for kind in job["kinds"]):
        _set_statistics(model)
    for kind in job["kinds"]:
        path = _export(kind, model, folder, size, classes)
        files[kind] = {"path": str(path), "bytes": _file_bytes(path)}
    return {
        "parameters": sum(
            math.prod(weight.shape) for weight in model.trainable_weights
        ),
        "multiply_adds": multiply_adds(at_size(model, *size)),
        "files": files,
    }


def _set_statistics(model) -> None:
    """Gives batch norm the statistics of a drawn image, as a training would.

    Without, LiteRT's int8 takes more than twice the time that it does when trained.
    """
    import keras

    from keras_lraspp.export.parity import draw_image

    layers = (*model.layers, *model.backbone.layers)
    norms = [one for one in layers if isinstance(one, keras.layers.BatchNormalization)]
    momentum = norms[0].momentum
    for norm in norms:
        norm.momentum = 0.0
    # Also at stride 32 it has enough pixels for a variance.
    model(draw_image(512, 512, model.input_shape[-1]), training=True)
    for norm in norms:
        norm.momentum = momentum


def _export(kind: str, model, folder: Path, size: tuple[int, int], classes) -> Path:
    name, precision = split_kind(kind)
    if name == "keras":
        model.save(folder / "model.keras")
        return folder / "model.keras"
    if name == "saved_model":
        from keras_lraspp.export.saved_model import export_saved_model

        return export_saved_model(model, folder, size=size, classes=classes).path
    from keras_lraspp.export.litert import export_litert
    from keras_lraspp.export.onnx import export_onnx
    from keras_lraspp.export.parity import draw_image

    write = export_onnx if name == "onnx" else export_litert
    path = folder / f"model_{precision}.{'onnx' if name == 'onnx' else 'tflite'}"
    seen = draw_image(*size, model.input_shape[-1])  # what int8 needs
    return write(model, path, size=size, precision=precision, representative=seen).path


def _file_bytes(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())


def time_file(job: dict) -> dict:
    """Times a file, from uint8 images in memory to labels.

    Returns `milliseconds`, one per call; `peak_bytes`, `None` where the system does not
    tell; `first_call_ms`, which compiles.
    """
    if hasattr(os, "sched_setaffinity"):  # Linux: binds whatever the runtime starts
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job["threads"]])
    images = _draw_blocks(job["batch"], *job["size"], job["channels"])
    run = OPENERS[split_kind(job["kind"])[0]](job["path"], images, job["threads"])
    milliseconds = []
    for _ in range(_WARM_UP + job["runs"]):
        started = time.perf_counter()
        run()
        milliseconds.append(1000 * (time.perf_counter() - started))
    return {
        "milliseconds": milliseconds[_WARM_UP:],
        "first_call_ms": milliseconds[0],
        "peak_bytes": _peak_bytes(),
    }


def _draw_blocks(batch: int, height: int, width: int, channels: int) -> np.ndarray:
    """Draws uint8 images of one colour in each 32x32: a photograph has areas, too."""
    shape = (batch, height // 32 + 1, width // 32 + 1, channels)
    coarse = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    images = coarse.repeat(32, axis=1).repeat(32, axis=2)
    return np.ascontiguousarray(images[:, :height, :width])


def _open_keras(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    import keras

    from keras_lraspp import LRASPP
    from keras_lraspp.inference import label_function

    if keras.backend.backend() == "torch":
        import torch

        torch.set_num_threads(threads)
    labels = label_function(LRASPP.from_preset(path))
    return lambda: labels(images)


def _open_saved_model(path: str, images: np.ndarray, _: int) -> Callable[[], object]:
    from keras_lraspp.export.runtimes import open_saved_model

    opened = open_saved_model(path)
    return lambda: opened.labels(images)


def _open_onnx(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(
        path, options, providers=["CPUExecutionProvider"]
    )
    return lambda: session.run(["labels"], {"image": images})


def _open_litert(path: str, images: np.ndarray, threads: int) -> Callable[[], object]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=path, num_threads=threads)
    run = interpreter.get_signature_runner()
    return lambda: [run(image=image[None]) for image in images]  # it takes one


# By format: returns a function that turns the images into labels.
OPENERS = {
    "keras": _open_keras,
    "saved_model": _open_saved_model,
    "onnx": _open_onnx,
    "litert": _open_litert,
}


def _peak_bytes() -> int | None:
    status = Path("/proc/self/status")
    if status.is_file():  # Linux, whose getrusage counts what the parent had
        match = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        return 1024 * int(match[1])
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


if __name__ == "__main__":
    try:
        work = {"export": export_variant, "time": time_file}[sys.argv[1]]
        print(json.dumps(work(json.loads(sys.argv[2]))))
    except Exception as error:  # of any runtime; its first line has to do
        message = (str(error).splitlines() or [type(error).__name__])[0]
        sys.exit(f"error: {message}")
