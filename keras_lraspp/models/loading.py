"""Weights of a saved file into our own architecture, and nothing else.

Nothing in the file is executed: its tensors go into a model that we built, and the
architecture it names is only read to explain a difference.
"""

import json
import zipfile
from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.models.lraspp import LRASPP

_ARCHITECTURE = (
    "num_classes",
    "backbone",
    "width",
    "output_stride",
    "pooling",
    "head_filters",
)


def load_weights(model: keras.Model, path: str | Path) -> None:
    """Fills `model` with the weights of a `.keras` or `.weights.h5` file.

    If the model is compiled and its optimizer built, the optimizer's slots in the
    file are loaded too.

    Args:
        model: A built model.
        path: The file.

    Raises:
        InputError: If the file is missing or damaged, or belongs to another
            variant or number of classes; the sentence lists what differs.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}; check --weights.")
    if path.name.endswith(".keras"):
        _check_archive(path)
        _check_architecture(model, path)
    elif not path.name.endswith(".weights.h5"):
        raise InputError(f"{path} is neither a .keras nor a .weights.h5 file.")
    try:
        model.load_weights(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the model: {reason}") from error


def _check_archive(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except Exception as error:  # flipped bits raise many kinds
        raise InputError(f"{path} is damaged or no .keras file ({error}).") from error
    if damaged is not None:
        raise InputError(f"{path} is damaged: the checksum of {damaged} is wrong.")


def _check_architecture(model: keras.Model, path: Path) -> None:
    """Compares the file's LRASPP arguments and, where they differ, the tensors."""
    if not isinstance(model, LRASPP):
        return
    with zipfile.ZipFile(path) as archive:
        saved = json.loads(archive.read("config.json"))
    if saved.get("class_name") != "LRASPP":
        raise InputError(f"{path} holds a {saved.get('class_name')}, not an LRASPP.")
    theirs = {key: saved["config"].get(key) for key in _ARCHITECTURE}
    ours = {key: model.get_config()[key] for key in _ARCHITECTURE}
    if theirs == ours:
        return
    arguments = [
        f"{key}={theirs[key]!r} in the file, {ours[key]!r} here"
        for key in _ARCHITECTURE
        if theirs[key] != ours[key]
    ]
    raise InputError(
        f"{path} is another variant: {'; '.join(arguments)}. "
        f"{_tensor_differences(theirs, model)}"
    )


def _tensor_differences(arguments: dict, model: keras.Model, most: int = 5) -> str:
    try:
        theirs = _shapes(LRASPP(**arguments))
    except (TypeError, ValueError):
        return "Its arguments are not those of an LRASPP."
    ours = _shapes(model)
    names = sorted(theirs.keys() | ours.keys())
    rows = [
        f"{name} {theirs.get(name, 'missing')} in the file, "
        f"{ours.get(name, 'missing')} here"
        for name in names
        if theirs.get(name) != ours.get(name)
    ]
    if not rows:
        return "All tensors have the same shapes, but the network is another."
    more = f" and {len(rows) - most} more" if len(rows) > most else ""
    return f"Tensors that differ: {'; '.join(rows[:most])}{more}."


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {weight.path: tuple(weight.shape) for weight in model.weights}
