"""`.keras` and `.weights.h5` files: safe reading, weights, class names and palette.

Keras refuses much of what is refused here too, depending on its release.
"""

import io
import json
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import h5py
import keras

from keras_lraspp.classes import CLASS_SETS, ClassSet, resolve_classes
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import replacing
from keras_lraspp.models.variants import variant_of

_CONFIG = "config.json"
_WEIGHTS = "model.weights.h5"
# The largest network here with its optimizer takes 60 MB.
_LARGEST_WEIGHTS = 512 << 20
_LARGEST_TEXT = 1 << 20  # of one JSON member; a card of 256 classes takes about 10 000
_MOST_MEMBERS = 64
_MOST_DATASETS = 5000  # and groups; the largest network with optimizer has 1500


@dataclass(frozen=True)
class KerasArchive:
    """A `.keras` file that was read once, its sizes, checksums and tensors checked.

    Attributes:
        path: The file.
        texts: Content of its JSON members by name, but for those above 1 MiB.
    """

    path: Path
    texts: Mapping[str, bytes]

    def config(self) -> dict:
        """Returns the class and arguments that the file names, as data."""
        try:
            config = self.read_json(_CONFIG)
            if not isinstance(config.get("config"), dict):
                raise ValueError(f"{_CONFIG} names no class with its arguments")
        except Exception as error:
            raise InputError(
                f"{self.path} is no .keras file of a model ({error})."
            ) from error
        return config

    def read_json(self, name: str) -> dict:
        """Returns a JSON member; raises many kinds of errors if it is damaged."""
        if name not in self.texts:
            raise ValueError(f"{name} is missing or larger than {_LARGEST_TEXT} bytes")
        content = json.loads(self.texts[name])
        if not isinstance(content, dict):
            raise ValueError(f"{name} holds a {type(content).__name__}")
        return content


def read_keras_archive(path: str | Path) -> KerasArchive:
    """Reads a `.keras` file once, the weights excepted, and checks all of it.

    Raises:
        InputError: If it is damaged, or would need more memory than such networks do.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, path)
            if damaged := archive.testzip():
                raise InputError(
                    f"{path} is damaged: the checksum of {damaged} is wrong."
                )
            weights = archive.read(_WEIGHTS)
            texts = {
                member.filename: archive.read(member)
                for member in archive.infolist()
                if member.filename.endswith(".json")
                and member.file_size <= _LARGEST_TEXT
            }
    except InputError:
        raise
    except Exception as error:  # flipped bits raise many kinds
        raise InputError(f"{path} is damaged or no .keras file ({error}).") from error
    check_hdf5(path, weights)
    return KerasArchive(path, texts)


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > _MOST_MEMBERS or total > _LARGEST_WEIGHTS:
        raise InputError(
            f"{path} is refused: it unpacks to {len(members)} files of {total} bytes; "
            f"at most {_MOST_MEMBERS} and {_LARGEST_WEIGHTS} are expected."
        )


def check_hdf5(path: Path, content: bytes | None = None) -> None:
    """Checks that an HDF5 file holds numbers of a bounded size, and no links.

    Where it is in an archive, `path` is the archive and `content` the file's bytes.
    """
    try:
        with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
            reason = _complaint(file)
    except Exception as error:
        raise InputError(f"{path} holds no readable weights ({error}).") from error
    if reason is not None:
        raise InputError(f"{path} is refused: {reason}.")


def _complaint(file: h5py.File) -> str | None:
    """Says what is wrong with a file's tensors, `None` if nothing is."""
    groups, datasets, total = [file], 0, 0
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"{group.name}/{name} is a link"
            datasets += 1
            if datasets > _MOST_DATASETS:
                return f"it has more than {_MOST_DATASETS} tensors"
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
                continue
            if not isinstance(item, h5py.Dataset) or item.shape is None:
                return f"{item.name} is no tensor"
            if item.external or item.is_virtual:
                return f"{item.name} is kept in another file"
            total += math.prod(item.shape) * item.dtype.itemsize
            if total > _LARGEST_WEIGHTS:
                return (
                    f"its tensors, {item.name} {item.shape} among them, would take "
                    f"more than {_LARGEST_WEIGHTS >> 20} MiB"
                )
    return None


# Member of a `.keras` file, written by training, with "classes" and "palette".
CARD_MEMBER = "keras_lraspp.json"

Weights = str | Path | KerasArchive


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


def open_weights(path: str | Path) -> Path | KerasArchive:
    """Reads a `.keras` file once, for `find_classes` and `load_weights`.

    Returns the archive; the path of a file of another kind.

    Raises:
        InputError: If there is no such file, or it is damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"There is no weights file {path}; check --weights.")
    return read_keras_archive(path) if path.name.endswith(".keras") else path


def load_weights(model: keras.Model, weights: Weights) -> None:
    """Fills `model` with the weights of a `.keras` or `.weights.h5` file.

    If the model is compiled and its optimizer built, the optimizer's slots in the
    file are loaded too.

    Args:
        model: A built model.
        weights: The file, or what `open_weights` returned for it.

    Raises:
        InputError: If the file is missing or damaged, or belongs to another
            variant or number of classes; the sentence lists what differs.
    """
    if not isinstance(weights, KerasArchive):
        weights = open_weights(weights)
    if isinstance(weights, KerasArchive):
        _check_architecture(model, weights)
        path = weights.path
    elif weights.name.endswith(".weights.h5"):
        path = weights
        check_hdf5(path)
    else:
        raise InputError(f"{weights} is neither a .keras nor a .weights.h5 file.")
    try:
        model.load_weights(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the model: {reason}") from error


def read_arguments(archive: KerasArchive) -> dict:
    """Returns the arguments of the LRASPP in a `.keras` file.

    Its class is compared by name, and its arguments are numbers and words from
    `ARGUMENTS`. Its input shape is not among them; the network is the same for any.

    Raises:
        InputError: If it holds another class, or arguments out of range.
    """
    path, saved = archive.path, archive.config()
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
                f"{path} has the invalid LRASPP argument "
                f"{argument.name}={str(value)[:100]}; get the file again."
            )
        arguments[argument.name] = value
    return arguments


def _check_architecture(model: keras.Model, archive: KerasArchive) -> None:
    """Compares the file's LRASPP arguments and, where they differ, the tensors."""
    config = model.get_config()
    if not {argument.name for argument in ARGUMENTS} <= config.keys():
        return  # no LRASPP
    theirs = read_arguments(archive)
    differing = [key for key in theirs if theirs[key] != config[key]]
    if not differing:
        return
    arguments = "; ".join(
        f"{key}={theirs[key]!r} in the file, {config[key]!r} here" for key in differing
    )
    raise InputError(
        f"{archive.path} is another variant: {arguments}. "
        f"{_tensor_differences(theirs, model)}"
    )


def _tensor_differences(arguments: dict, model: keras.Model) -> str:
    theirs, ours = _shapes(type(model)(**arguments)), _shapes(model)
    rows = [
        f"{name} {theirs.get(name, 'missing')} in the file, "
        f"{ours.get(name, 'missing')} here"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if not rows:
        return "All tensors have the same shapes, but the network is another."
    return f"Tensors that differ: {abbreviate(rows)}."


def _shapes(model: keras.Model) -> dict[str, tuple[int, ...]]:
    return {weight.path: tuple(weight.shape) for weight in model.weights}


def find_classes(
    classes: ClassSet | str | int | Sequence[str] | None,
    weights: Weights,
    run: str = "predict",
) -> ClassSet:
    """Finds names and colours of the classes of a model.

    Args:
        classes: `"cityscapes"`, `"camvid"` or another name of `CLASS_SETS`, a list of
            names, or a number of classes; `None` for those that are in `weights`.
        weights: The model's weights file, or what `open_weights` returned for it.
        run: The run that takes the classes, for the message.

    Raises:
        InputError: For an unknown name, or if the file has none.
    """
    if classes is not None:
        return resolve_classes(classes)
    if not isinstance(weights, KerasArchive) and not Path(weights).is_dir():
        weights = open_weights(weights)
    if isinstance(weights, KerasArchive):
        if CARD_MEMBER in weights.texts:
            return read_classes(weights)
        weights = weights.path
    raise InputError(
        f"{weights} does not say what its classes are; name them with "
        f"--gin_bindings=\"{run}.classes = 'cityscapes'\", or another of "
        f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
    )


def read_classes(archive: KerasArchive) -> ClassSet:
    """Returns the classes that training wrote into a `.keras` file.

    Raises:
        InputError: If the file does not say them.
    """
    try:
        card = archive.read_json(CARD_MEMBER)
        names = tuple(str(name) for name in card["classes"])
        palette = tuple(
            (int(red), int(green), int(blue)) for red, green, blue in card["palette"]
        )
        if not names or len(names) != len(palette):
            raise ValueError(f"{len(names)} names, {len(palette)} colours")
    except Exception as error:  # a damaged card raises many kinds
        raise InputError(
            f"{archive.path} does not say what its classes are ({error}); take the "
            f"file that a training wrote, or say which classes it has."
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
    has a card, `CARD_MEMBER`, with the classes, the variant and the notes.

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
            archive.writestr(CARD_MEMBER, json.dumps(card))
            for name, content in (members or {}).items():
                archive.writestr(name, content)
    return path
