"""Weights of a saved file into our own architecture, and nothing else.

Nothing in the file is executed: its tensors go into a model that we built, and the
architecture it names is only read to explain a difference.
"""

from pathlib import Path

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_config import read_arguments
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.weights.keras_archive import check_hdf5, check_keras_archive


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
        check_keras_archive(path)
        _check_architecture(model, path)
    elif path.name.endswith(".weights.h5"):
        check_hdf5(path)
    else:
        raise InputError(f"{path} is neither a .keras nor a .weights.h5 file.")
    try:
        model.load_weights(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the model: {reason}") from error


def _check_architecture(model: keras.Model, path: Path) -> None:
    """Compares the file's LRASPP arguments and, where they differ, the tensors."""
    if not isinstance(model, LRASPP):
        return
    theirs = read_arguments(path)
    config = model.get_config()
    differing = [key for key in theirs if theirs[key] != config[key]]
    if not differing:
        return
    arguments = "; ".join(
        f"{key}={theirs[key]!r} in the file, {config[key]!r} here" for key in differing
    )
    raise InputError(
        f"{path} is another variant: {arguments}. {_tensor_differences(theirs, model)}"
    )


def _tensor_differences(arguments: dict, model: keras.Model, most: int = 5) -> str:
    theirs = _shapes(LRASPP(**arguments))
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
