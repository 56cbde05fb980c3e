"""`.keras` and `.weights.h5` files: arguments, weights, class names and palette."""

import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, get_args

import keras

from keras_lraspp.classes import (
    CLASS_SETS,
    ClassCard,
    ClassSet,
    classes_from_json,
    classes_to_json,
    compare_classes,
    resolve_classes,
)
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import replacing
from keras_lraspp.models.families import FamilyName
from keras_lraspp.models.variants import variant_of, weight_shapes
from keras_lraspp.weights.hub import is_preset_folder, read_preset_folder
from keras_lraspp.weights.keras_archive import (
    CARD_MEMBER,
    KerasArchive,
    check_hdf5,
    copy_weights,
    read_keras_archive,
)

Weights = str | Path | KerasArchive


class Argument(NamedTuple):
    """An argument of `LRASPP` that decides about its tensors or what it computes."""

    name: str
    default: object
    is_valid: Callable[[object], bool]


def _whole(most: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and 1 <= value <= most


def _is_input_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and _whole(64)(value[2])


# The limits only keep a file from asking for memory without bound.
ARGUMENTS = (
    Argument("num_classes", 19, _whole(65_536)),
    Argument("backbone", "large", lambda value: value in ("large", "small")),
    Argument("width", 1.0, lambda value: type(value) in (int, float) and 0 < value < 5),
    Argument("output_stride", 8, lambda value: value in (8, 16, 32)),
    Argument("pooling", "global", lambda value: value in ("global", "large_kernel")),
    Argument("head_filters", 128, _whole(4096)),
    Argument("input_shape", [None, None, 3], _is_input_shape),
    Argument("family", "paddleseg", lambda value: value in get_args(FamilyName)),
)

_POLICIES = (
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "mixed_float16",
    "mixed_bfloat16",
)


def open_weights(path: str | Path) -> Path | KerasArchive:
    """Reads a `.keras` file once, for `find_classes` and `load_weights`.

    Args:
        path: The file; or a preset folder or its `hf://` address, see
            `read_preset_folder`.

    Returns:
        The archive; the path of a file of another kind.

    Raises:
        InputError: If there is no such file, or it is damaged.
        StorageError: If it cannot be downloaded.
    """
    if is_preset_folder(path):
        return read_preset_folder(path)
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
        path, has_bfloat16 = weights.weights_path, weights.has_bfloat16
    elif weights.name.endswith(".weights.h5"):
        path, has_bfloat16 = weights, check_hdf5(weights)
    else:
        raise InputError(f"{weights} is neither a .keras nor a .weights.h5 file.")
    try:
        if has_bfloat16:
            _load_copy(model, path)
        else:
            model.load_weights(path)
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"{path} does not fit the model: {reason}") from error
    for weight in model.weights:
        if weight.name == "moving_variance" and keras.ops.any(weight < 0):
            raise InputError(
                f"{path} has negative variances in {weight.path}, which make scores "
                f"that are not finite; take another file."
            )


def _load_copy(model: keras.Model, path: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "copy.weights.h5"
        copy_weights(path, copy)
        model.load_weights(copy)


def read_arguments(archive: KerasArchive) -> dict:
    """Returns the arguments of the LRASPP in a `.keras` file.

    Its class is compared by name, and its arguments are numbers and words from
    `ARGUMENTS`. Of its input shape only the channels are: the network is the same for
    any size. The tensors that such a network has must be in the file: so nobody builds
    a larger one than was stored.

    Raises:
        InputError: If it holds another class, arguments out of range, or other tensors.
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
    arguments["input_shape"] = (None, None, arguments["input_shape"][2])
    wanted = weight_shapes(arguments)
    missing = Counter(wanted.values()) - Counter(archive.shapes)
    if missing:
        rows = [f"{name} {shape}" for name, shape in wanted.items() if shape in missing]
        raise InputError(
            f"{path} does not hold the weights that its own arguments ask for: it "
            f"lacks {abbreviate(rows)}; get the file again."
        )
    return arguments


def read_policy(archive: KerasArchive) -> str | None:
    """Returns the name of the dtype policy that an LRASPP was saved with, if any.

    A map of policies for single layers is left to `keras.models.load_model`.

    Raises:
        InputError: If it is another word.
    """
    name = archive.config()["config"].get("dtype")
    if name is None or isinstance(name, dict):
        return None
    if name not in _POLICIES:
        raise InputError(
            f"{archive.path} has the invalid LRASPP argument dtype={str(name)[:100]}; "
            f"get the file again."
        )
    return name


def _check_architecture(model: keras.Model, archive: KerasArchive) -> None:
    """Compares the file's LRASPP arguments and, where they differ, the tensors."""
    config = model.get_config()
    if not {argument.name for argument in ARGUMENTS} <= config.keys():
        return  # no LRASPP
    theirs, channels = read_arguments(archive), config["input_shape"][-1]
    config = {**config, "input_shape": (None, None, channels)}
    if (found := theirs["input_shape"][-1]) != channels:
        raise InputError(
            f"{archive.path} is a network for {found}-channel images, this one is for "
            f"{channels}; set LRASPP.input_shape = (None, None, {found})."
        )
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
    theirs = weight_shapes(arguments)
    ours = {weight.path: tuple(weight.shape) for weight in model.weights}
    rows = [
        f"{name} {theirs.get(name, 'missing')} in the file, "
        f"{ours.get(name, 'missing')} here"
        for name in sorted(theirs.keys() | ours.keys())
        if theirs.get(name) != ours.get(name)
    ]
    if not rows:
        return "All tensors have the same shapes, but the network is another."
    return f"Tensors that differ: {abbreviate(rows)}."


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
    is_file = not isinstance(weights, KerasArchive) and not Path(weights).is_dir()
    if classes is None and is_file:
        weights = open_weights(weights)
    path = weights.path if isinstance(weights, KerasArchive) else weights
    return settle_classes(classes, known_classes(weights), path, run)


def settle_classes(
    classes: ClassSet | str | int | Sequence[str] | None,
    known: ClassSet | None,
    weights: str | Path,
    run: str,
) -> ClassSet:
    """Takes the classes that were given, else those that are known of the weights.

    Args:
        classes: As for `find_classes`.
        known: Those that the weights say, if they do.
        weights: Where they are from, for the message.
        run: The run that takes the classes, for the message.

    Raises:
        InputError: For an unknown name, if there are none, or if the two disagree.
    """
    if classes is not None:
        named = resolve_classes(classes)
        if known is not None:
            compare_classes(known, named, str(weights), f"{run}.classes")
        return named
    if known is not None:
        return known
    raise InputError(
        f"{weights} does not say what its classes are; name them with --classes: one "
        f"of {', '.join(sorted(CLASS_SETS))}, names with commas between them, or their "
        f"number."
    )


def known_classes(weights: Weights) -> ClassSet | None:
    """Returns the classes that a file says: on its card, or as an LRASPP's argument.

    `None` if it does not say them.
    """
    if not isinstance(weights, KerasArchive):
        return None
    if CARD_MEMBER in weights.texts:
        return read_classes(weights)
    try:
        saved = weights.config()
    except InputError:  # to be refused where the network is wanted
        return None
    if saved.get("class_name") != "LRASPP":
        return None
    value = saved["config"].get("classes")
    return classes_from_json(value, f"{weights.path}: `classes`")


def read_classes(archive: KerasArchive) -> ClassSet:
    """Returns the classes that training wrote into a `.keras` file.

    Raises:
        InputError: If the file does not say them.
    """
    try:
        return archive.read_json(CARD_MEMBER, ClassCard, extra=True).class_set
    except InputError as error:
        raise InputError(
            f"{archive.path} does not say what its classes are: {error} Or say which "
            f"classes it has."
        ) from error


def _save_with_classes(network: keras.Model, path: Path, classes: ClassSet) -> None:
    """Saves; an LRASPP with the classes, so that Keras's own loading gives them."""
    if not hasattr(network, "classes"):
        network.save(path)
        return
    before, network.classes = network.classes, classes
    try:
        network.save(path)
    finally:
        network.classes = before


def class_card(network: keras.Model, classes: ClassSet, **notes: object) -> dict:
    """Makes the card of a network's file, `CARD_MEMBER`: see `save_network`."""
    variant = variant_of(network)
    named = {"variant": variant.name if variant else None}
    return {**classes_to_json(classes), **named, **notes}


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
    card = class_card(network, classes, **notes)
    with replacing(path) as temporary:
        _save_with_classes(network, temporary, classes)
        with zipfile.ZipFile(temporary, "a") as archive:
            archive.writestr(CARD_MEMBER, json.dumps(card))
            for name, content in (members or {}).items():
                archive.writestr(name, content)
    return path
