"""Opens exported files, each in its own runtime."""

import json
import os
from pathlib import Path

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.exported_model import ExportedModel
from keras_lraspp.export.litert_runtime import LiteRTFile
from keras_lraspp.export.metadata import INPUT, KEY, OUTPUTS, Metadata


def open_exported(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens an exported file by its kind: `.onnx`, `.tflite`, or a SavedModel's folder.

    Args:
        path: The file or the folder of one version.
        threads: Number of threads of ONNX Runtime or LiteRT; `None` for all cores.

    Raises:
        InputError: If it is none of these, damaged, or the runtime is not installed.
        StorageError: If it cannot be read.
    """
    kind = Path(path)
    if kind.suffix == ".onnx":
        return open_onnx(kind, threads)
    if kind.suffix == ".tflite":
        return open_litert(kind, threads)
    if (kind / "saved_model.pb").is_file():
        return open_saved_model(kind)
    raise InputError(
        f"{path} is no exported model: expected a .onnx or .tflite file, or a folder "
        f"with saved_model.pb."
    )


def open_onnx(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens an ONNX file in ONNX Runtime; see `open_exported`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise InputError(_missing("onnxruntime", path)) from error
    path, options = Path(path), onnxruntime.SessionOptions()
    content = _read(path)
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    try:
        session = onnxruntime.InferenceSession(
            content, options, providers=["CPUExecutionProvider"]
        )
        (given,) = session.get_inputs()
        if (given.name, given.type) != (INPUT, "tensor(uint8)"):
            raise ValueError(f"its input is {given.name}, {given.type}")
        made = {output.name: output.shape for output in session.get_outputs()}
        entries = session.get_modelmeta().custom_metadata_map
        metadata = Metadata.of_entries(entries, _count(made))
    except Exception as error:  # damaged files raise many kinds
        raise InputError(_damaged(path, "an ONNX", error)) from error

    def run(name, images):
        return session.run([name], {INPUT: np.ascontiguousarray(images)})[0]

    sides = tuple(side if isinstance(side, int) else None for side in given.shape[1:3])
    return ExportedModel(path, run, _known(made), sides, metadata)


def open_litert(path: str | Path, threads: int | None = None) -> ExportedModel:
    """Opens a LiteRT file in LiteRT; see `open_exported`."""
    path = Path(path)
    content = _read(path)
    try:
        opened = LiteRTFile(content, threads)
    except ImportError as error:
        raise InputError(_missing("ai-edge-litert", path)) from error
    except Exception as error:
        raise InputError(_damaged(path, "a LiteRT", error)) from error
    return ExportedModel(
        path,
        lambda name, images: opened(images)[name],
        opened.outputs,
        opened.size,
        opened.metadata,
    )


def open_saved_model(path: str | Path) -> ExportedModel:
    """Opens a SavedModel, the folder of one version; see `open_exported`.

    Classes and colours are read from `assets/keras_lraspp.json` in it, texts by name
    as `Metadata.entries` returns them, if it is there.
    """
    import tensorflow as tf

    path = Path(path)
    try:
        loaded = tf.saved_model.load(str(path))
        signatures = dict(loaded.signatures)
        found = {}
        for signature in ("serving_default", *OUTPUTS):
            made = signatures[signature] if signature in signatures else None
            for name in made.structured_outputs if made is not None else ():
                found.setdefault(name, made)
        first = found[_known(found)[0]]
        pixels = first.structured_input_signature[1][INPUT]
        note = path / "assets" / f"{KEY}.json"
        entries = json.loads(note.read_text("utf-8")) if note.is_file() else {}
        shapes = {name: found[name].structured_outputs[name].shape for name in found}
        metadata = Metadata.of_entries(entries, _count(shapes))
    except Exception as error:
        raise InputError(_damaged(path, "a SavedModel", error)) from error

    def run(name, images):
        return found[name](**{INPUT: tf.constant(images)})[name].numpy()

    model = ExportedModel(path, run, _known(found), tuple(pixels.shape[1:3]), metadata)
    model.loaded = loaded  # its signatures do not keep its weights alive
    return model


def _known(names) -> tuple[str, ...]:
    known = tuple(name for name in OUTPUTS if name in names)
    if not known:
        raise ValueError(f"it returns {', '.join(names) or 'nothing'}")
    return known


def _count(shapes) -> int:
    """Returns the number of classes that the shape of the scores says, else 0."""
    for name in OUTPUTS[1:]:
        if name in shapes and isinstance(shapes[name][-1], int):
            return shapes[name][-1]
    return 0


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}; check the path.") from error
    except OSError as error:
        raise StorageError(
            f"Cannot read {path}: {error.strerror or error}. Check the path."
        ) from error


def _missing(package: str, path: str | os.PathLike) -> str:
    return f"{path} is run by {package}, which is missing: pip install {package}."


def _damaged(path: Path, what: str, error: Exception) -> str:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return (
        f"{path} is not {what} file from `image` to `labels` or scores ({reason}); "
        f"export the model again."
    )
