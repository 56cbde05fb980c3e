"""Networks of weights files and presets, for the commands: with or without a model."""

import difflib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import (
    ARGUMENTS,
    find_classes,
    known_classes,
    load_weights,
    open_weights,
    read_arguments,
    settle_classes,
)
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.presets import presumed_classes
from keras_lraspp.models.variants import variant_of
from keras_lraspp.weights.hub import is_preset_folder
from keras_lraspp.weights.keras_archive import KerasArchive
from keras_lraspp.weights.published import VARIANTS, find_variant

ModelFactory = Callable[..., keras.Model]
# A `.keras` file, read; the path of another file; or the name of a preset.
WeightsSource = KerasArchive | Path | str


class LoadedNetwork(NamedTuple):
    """A network with its weights, and its classes if they are known."""

    model: keras.Model
    classes: ClassSet | None
    path: Path  # of the file with the weights


def open_source(weights: str | Path) -> WeightsSource:
    """Opens a weights file, once for all that is read of it; names stay names.

    Raises:
        InputError: If there is no such file or preset, or it is damaged.
    """
    name = str(weights)
    if find_variant(name) is not None:
        return name
    if is_preset_folder(weights):
        return open_weights(weights)
    path = Path(os.path.expanduser(weights))
    if not path.exists():
        presets = [row.preset for row in VARIANTS if row.preset]
        close = difflib.get_close_matches(name, presets, 1)
        hint = f"; did you mean {close[0]}" if close else ""
        raise InputError(
            f"There is no weights file {path}{hint}; check --weights, which is a file "
            f"or one of {', '.join(presets)}."
        )
    if path.name.endswith((".keras", ".weights.h5")):
        return open_weights(path)
    return path


def build_network(
    source: WeightsSource,
    model: ModelFactory | None = None,
    num_classes: int | None = None,
    channels: int = 3,
) -> LoadedNetwork:
    """Builds a network and fills it with its weights.

    Args:
        source: What `open_source` returned. Preset's names and weights of other code
            bases name their own network, as `.keras` files do.
        model: As for `call_factory`; `None` for the network of `source`.
        num_classes: For `model`; `None` for those of the source.
        channels: For `model`, where the source does not say them.

    Raises:
        InputError: If the weights are of another network than `model`, or, without
            one, do not say of which.
        StorageError: If weights cannot be downloaded or read.
    """
    if model is None and _is_h5(source):
        raise InputError(
            f"{source} does not say which network its weights are of; give the "
            f"configuration of its training with --gin_file, or a .keras file."
        )
    if model is None or not _fills_a_model(source):
        is_foreign, variant = isinstance(source, Path), None
        if is_foreign and model is not None:  # which the file itself may not say
            variant = variant_of(call_factory(model, 19))  # of any number
        network = LRASPP.from_preset(source, variant=variant and variant.name)
        if model is not None:
            shape = network.num_classes, network.input_shape[-1]
            _compare_networks(call_factory(model, *shape), network, source)
        known = network.classes
        if is_foreign:
            known = presumed_classes(network)
        return LoadedNetwork(network, known, _weights_path(source))
    network = call_factory(model, num_classes, _saved_channels(source) or channels)
    load_weights(network, source)
    return LoadedNetwork(network, known_classes(source), _weights_path(source))


def call_factory(
    factory: ModelFactory, num_classes: int, channels: int = 3
) -> keras.Model:
    """Builds a network by `factory(num_classes=...)`.

    For other channels than RGB it gets `input_shape=(None, None, channels)`, too, if it
    takes that; whether the network is for these channels is not checked.
    """
    if channels != 3:
        try:
            return factory(num_classes=num_classes, input_shape=(None, None, channels))
        except TypeError as error:
            if "input_shape" not in str(error):
                raise
    return factory(num_classes=num_classes)


def _saved_channels(source: WeightsSource) -> int | None:
    """Returns the channels that an `LRASPP`'s `.keras` file says."""
    if not isinstance(source, KerasArchive):
        return None
    is_ours = source.config().get("class_name") == "LRASPP"
    return read_arguments(source)["input_shape"][-1] if is_ours else None


def load_network(
    weights: str | Path,
    model: ModelFactory | None = None,
    classes: ClassSet | str | int | Sequence[str] | None = None,
    run: str = "predict",
    configured: Callable[[], ClassSet | None] | None = None,
) -> LoadedNetwork:
    """Loads a network and finds the names and colours of its classes.

    Args:
        weights: A `.keras` or `.weights.h5` file, weights of another code base, or the
            name, the folder or the `hf://` address of a preset.
        model: As for `build_network`.
        classes: As for `find_classes`; `None` for those of the weights.
        run: The run that takes the classes, for the message.
        configured: Gives the classes of the configured data set. They are taken where
            the weights say none and the network has as many.

    Raises:
        InputError: As `build_network` and `find_classes` do.
        StorageError: If weights cannot be downloaded or read.
    """
    source = open_source(weights)
    if classes is None and configured is not None:
        classes = _fitting_classes(source, configured)
    if model is not None and _fills_a_model(source):
        named = find_classes(classes, source, run)
        return build_network(source, model, len(named.names))._replace(classes=named)
    network, known, path = build_network(source, model)
    named = settle_classes(classes, known, weights, run)
    if len(named.names) != network.num_classes:
        raise InputError(
            f"{weights} has {network.num_classes} classes and {run}.classes names "
            f"{len(named.names)}; give as many names."
        )
    return LoadedNetwork(network, named, path)


def _fitting_classes(
    source: WeightsSource, configured: Callable[[], ClassSet | None]
) -> ClassSet | None:
    """Returns the configured classes if weights that say none are of so many."""
    if isinstance(source, str) or known_classes(source) is not None:
        return None  # a preset knows its own
    if isinstance(source, Path) and not _is_h5(source):
        return None
    classes = configured()
    if classes is None or not isinstance(source, KerasArchive):
        return classes  # a .weights.h5 file of another number does not fit the network
    number = source.config()["config"].get("num_classes", len(classes.names))
    return classes if number == len(classes.names) else None


def _weights_path(source: WeightsSource) -> Path:
    if isinstance(source, KerasArchive):
        return source.weights_path
    if row := find_variant(str(source)):
        return row.published.cached
    return source / "model.pdparams" if source.is_dir() else source


def _is_h5(source: WeightsSource) -> bool:
    return isinstance(source, Path) and source.name.endswith(".weights.h5")


def _fills_a_model(source: WeightsSource) -> bool:
    return isinstance(source, KerasArchive) or _is_h5(source)


def _compare_networks(
    expected: keras.Model, found: keras.Model, source: WeightsSource
) -> None:
    """Refuses the weights of another network than the configured one."""
    ours, theirs = (
        {**model.get_config(), "input_shape": (None, None, model.input_shape[-1])}
        for model in (expected, found)
    )
    differing = [
        f"{name}={theirs[name]!r} there, {ours.get(name)!r} in the configuration"
        for name, *_ in ARGUMENTS
        if theirs[name] != ours.get(name)
    ]
    if differing:
        raise InputError(
            f"{source} is another network: {'; '.join(differing)}. Leave out the "
            f"configuration's model, or give the one of this variant."
        )
