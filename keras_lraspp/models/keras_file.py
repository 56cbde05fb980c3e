"""Weights of a saved file into our own architecture, and nothing else.

Nothing in the file is executed: its tensors go into a model that we built, and the
architecture it names is only read to explain a difference.
"""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.classes import CLASS_SETS, ClassSet, resolve_classes
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.models.variants import variant_of
from keras_lraspp.weights.keras_archive import (
    check_hdf5,
    check_keras_archive,
    read_config,
)


class Argument(NamedTuple):
    """An argument of `LRASPP` that decides about its tensors or what it computes."""

    name: str
    default: object
    is_valid: Callable[[object], bool]


def _whole(most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 1 <= value <= most


# The limits only keep a file from asking for memory without bound.
ARGUMENTS = (
    Argument("num_classes", 19, _whole(65_536)),
    Argument("backbone", "large", lambda value: value in ("large", "small")),
    Argument("width", 1.0, lambda value: type(value) in (int, float) and 0 < value < 5),
    Argument("output_stride", 8, lambda value: value in (8, 16, 32)),
    Argument("pooling", "global", lambda value: value in ("global", "large_kernel")),
    Argument("head_filters", 128, _whole(4096)),
)


def read_arguments(path: Path) -> dict:
    """Returns the arguments of the LRASPP in a checked `.keras` file.

    Nothing of the file is executed: its class is compared by name, and its arguments
    are numbers and words from `ARGUMENTS`. Its input shape is not among them; the
    network is the same for any.

    Args:
        path: The file.

    Returns:
        Arguments of `LRASPP`.

    Raises:
        InputError: If it holds another class, or arguments out of range.
    """
    saved = read_config(path)
    if saved.get("class_name") != "LRASPP":
        raise InputError(
            f"{path} holds a {str(saved.get('class_name'))[:100]}, not an LRASPP; only "
            f"networks of this library are read."
        )
    arguments = {}
    for argument in ARGUMENTS:
        value = saved["config"].get(argument.name, argument.default)
        if not argument.is_valid(value):
            raise InputError(
                f"{path} asks for an LRASPP with {argument.name}={str(value)[:100]}, "
                f"which there is not; get the file again."
            )
        arguments[argument.name] = value
    return arguments


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
    config = model.get_config()
    if not {argument.name for argument in ARGUMENTS} <= config.keys():
        return  # no LRASPP
    theirs = read_arguments(path)
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
    theirs = _shapes(type(model)(**arguments))
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


# Member of a `.keras` file, written by training, with "classes" and "palette".
CARD = "keras_lraspp.json"
_LARGEST_CARD = 1 << 20  # bytes; 256 classes take about 10 000


def has_card(path: Path) -> bool:
    """Says whether a file is an archive that notes its classes."""
    try:
        with zipfile.ZipFile(path) as archive:
            return CARD in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def noted_classes(path: Path) -> ClassSet:
    """Reads the classes that training noted in a `.keras` file.

    Args:
        path: The file.

    Returns:
        Names and colours.

    Raises:
        InputError: If the file does not say them.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CARD).file_size > _LARGEST_CARD:
                raise ValueError(f"{CARD} is larger than {_LARGEST_CARD} bytes")
            card = json.loads(archive.read(CARD))
        names = tuple(str(name) for name in card["classes"])
        palette = tuple(
            (int(red), int(green), int(blue)) for red, green, blue in card["palette"]
        )
        if not names or len(names) != len(palette):
            raise ValueError(f"{len(names)} names, {len(palette)} colours")
    except Exception as error:  # a damaged archive raises many kinds
        raise InputError(
            f"{path} does not say what its classes are ({error}); take the file that "
            "a training wrote, or say which classes it has."
        ) from error
    return ClassSet(names, palette)


def save_network(
    network: keras.Model,
    path: Path,
    classes: ClassSet,
    members: Mapping[str, bytes] | None = None,
    **notes: object,
) -> Path:
    """Writes a network without its optimizer, crash-safely.

    `LRASPP.from_preset` and `load_weights` read the file; beside what Keras writes it
    has a card, `CARD`, with the classes, the variant and the notes.

    Args:
        network: A model that is not compiled.
        path: The `.keras` file to write or replace.
        classes: Names and colours of its classes.
        members: Content of further files in the archive, by name.
        **notes: What else to put on the card: numbers and words.

    Returns:
        `path`.

    Raises:
        StorageError: If it cannot be written.
    """
    variant = variant_of(network)
    card = {
        "classes": classes.names,
        "palette": classes.palette,
        "variant": variant.name if variant else None,
        **notes,
    }
    with replacing(path) as temporary:
        network.save(temporary)
        with zipfile.ZipFile(temporary, "a") as archive:
            for name, content in {CARD: json.dumps(card), **(members or {})}.items():
                archive.writestr(name, content)
    return path


def find_file_classes(
    classes: str | int | Sequence[str] | None,
    weights: str | Path,
    run: str = "predict",
) -> ClassSet:
    """Finds names and colours of classes.

    Args:
        classes: `"cityscapes"`, `"camvid"` or another name of `CLASS_SETS`, a list of
            names, or a number of classes; `None` for what training noted in `weights`.
        weights: The model's weights file.
        run: The run that takes the classes, for the message.

    Returns:
        Names and colours.

    Raises:
        InputError: For an unknown name, or if nothing is noted.
    """
    if classes is not None:
        return resolve_classes(classes)
    if not Path(weights).is_file():
        raise InputError(f"There is no weights file {weights}; check --weights.")
    if _is_whole(weights) and not has_card(Path(weights)):
        raise InputError(say_classes(weights, run))
    return noted_classes(Path(weights))


def _is_whole(weights: str | Path) -> bool:
    """Whether a file may be whole although there is no card in it."""
    return str(weights).endswith(".h5") or zipfile.is_zipfile(weights)


def say_classes(weights: str | Path, run: str) -> str:
    """Sentence that asks for the classes that a file does not name."""
    return (
        f"{weights} does not say what its classes are; name them with "
        f"--gin_bindings=\"{run}.classes = 'cityscapes'\", or another of "
        f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
    )
