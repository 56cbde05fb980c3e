"""Presets: networks by name or from a file, with their weights."""

import os
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np

from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.models.importing import (
    CLASS_LAYER,
    adapt_channels,
    canonical_name,
    check_compatible,
    fill,
)
from keras_lraspp.models.keras_file import known_classes, read_arguments, read_policy
from keras_lraspp.models.keras_file import load_weights as load_keras_weights
from keras_lraspp.models.mobilenet_v3 import scale_blocks
from keras_lraspp.weights import read_pdparams
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.hub import is_preset_folder, read_preset_folder
from keras_lraspp.weights.keras_archive import KerasArchive, read_keras_archive
from keras_lraspp.weights.published import (
    PUBLISHED_CLASSES,
    VARIANTS,
    Variant,
    find_variant,
)

_Network = TypeVar("_Network", bound=keras.Model)
_ARCHIVES = (".pdparams", ".tar.gz", ".tgz", ".tar")


def load_preset(
    cls: type[_Network],
    preset: str | Path | KerasArchive,
    load_weights: bool,
    num_classes: int | None,
    strict: bool,
    variant: str | None,
    **overrides,
) -> _Network:
    """Builds a `cls` from a preset or file; see `LRASPP.from_preset`."""
    if is_preset_folder(preset):
        preset = read_preset_folder(preset)
    if isinstance(preset, KerasArchive):
        return _from_keras_file(cls, preset, load_weights, num_classes, overrides)
    row = find_variant(str(preset))
    if row is not None:
        return _from_table(cls, row, load_weights, num_classes, strict, overrides)
    path = Path(os.path.expanduser(preset))
    if not path.exists():
        names = [row.preset for row in VARIANTS if row.preset]
        others = [row.name for row in VARIANTS]
        raise InputError(
            f"There is no preset or file {str(preset)[:200]!r}; give one of {names}, a "
            f".keras or .pdparams file, a preset folder, hf://user/name, or, with "
            f"load_weights=False, one of {others}."
        )
    if path.name.endswith(".keras"):
        file = read_keras_archive(path)
        return _from_keras_file(cls, file, load_weights, num_classes, overrides)
    if path.is_dir() or path.name.endswith(_ARCHIVES):
        return _from_reference_file(
            cls, path, load_weights, num_classes, strict, variant, overrides
        )
    raise InputError(
        f"{path} is no preset: expected a .keras file, or one of {_ARCHIVES}."
    )


def _from_table(cls, row: Variant, load_weights, num_classes, strict, overrides):
    if load_weights and row.published is None:
        raise InputError(
            f"There are no published weights of {row.name}; build it with "
            f"load_weights=False."
        )
    number = PUBLISHED_CLASSES if num_classes is None else num_classes
    model = cls(**{**row.arguments, "num_classes": number, **overrides})
    if not load_weights:
        return model

    def check(tensors):
        check_compatible(cls(PUBLISHED_CLASSES, **row.arguments), tensors, "The file")

    tensors = fetch(row.published, check)
    if number == PUBLISHED_CLASSES:
        model.classes = CLASS_SETS["cityscapes"]
    return _fill_matching(model, tensors, row.published.address, strict)


def _from_reference_file(
    cls, path: Path, load_weights, num_classes, strict, variant, overrides
):
    tensors = read_pdparams(path)
    row = find_variant(variant) if variant else _guess_variant(tensors, path)
    if row is None:
        names = [row.name for row in VARIANTS]
        raise InputError(f"There is no variant {variant}; choose one of {names}.")
    if num_classes is None:
        num_classes = _count_classes(tensors)
        if num_classes is None:
            raise InputError(
                f"{path} has no layer of classes ({CLASS_LAYER}); build an LRASPP and "
                f"fill its backbone with import_weights, or give num_classes."
            )
    model = cls(**{**row.arguments, "num_classes": num_classes, **overrides})
    return _fill_matching(model, tensors, str(path), strict) if load_weights else model


def _from_keras_file(cls, file: KerasArchive, load_weights, num_classes, overrides):
    saved = read_arguments(file)
    arguments = {**saved, **overrides}
    if "dtype" not in overrides and keras.config.dtype_policy().name == "float32":
        arguments["dtype"] = read_policy(file)
    if num_classes is not None:
        arguments["num_classes"] = num_classes
    model = cls(**arguments)
    same_classes = model.num_classes == saved["num_classes"]
    same_channels = model.input_shape[-1] == saved["input_shape"][-1]
    if load_weights and same_classes and same_channels:
        load_keras_weights(model, file)
        model.source = file.path
    elif load_weights:
        theirs = cls(**saved)
        load_keras_weights(theirs, file)
        _transfer(theirs, model, str(file.path))
    if same_classes:
        try:
            model.classes = known_classes(file) or model.classes
        except InputError as error:  # as many as there are names
            raise InputError(f"{file.path}: {error}") from error
    return model


def _transfer(theirs, ours, source: str) -> None:
    """Copies weights; the first layer is adapted, a last one of other classes stays."""
    stem = ours.backbone.get_layer("stem_conv").kernel
    last = ours.get_layer("head_classes_conv").kernel
    for variable, value in zip(ours.weights, theirs.get_weights(), strict=True):
        if variable is stem and variable.shape != value.shape:
            value = adapt_channels(value, variable.shape[2], source)
        if variable is not last or variable.shape == value.shape:
            variable.assign(value)


def _fill_matching(model, tensors, source: str, strict: bool):
    """Fills a network, but not its last layer if that has other classes."""
    other = _count_classes(tensors) not in (None, model.num_classes)
    fill(model, tensors, source, strict=strict, skip=(CLASS_LAYER,) if other else ())
    return model


def _count_classes(tensors) -> int | None:
    """Returns the file's number of classes; `None` if its last layer is no such."""
    kernel = tensors.get(CLASS_LAYER)
    if kernel is None or kernel.ndim != 4 or not len(kernel):
        return None
    return len(kernel)


def _guess_variant(tensors: dict[str, np.ndarray], path: Path) -> Variant:
    """Finds the variant by the channels of the blocks; strides leave no trace."""
    sizes = {canonical_name(name): value.size for name, value in tensors.items()}
    scale = "backbone.blocks.{}.linear_conv.bn.weight"
    channels = []
    while (size := sizes.get(scale.format(len(channels)))) is not None:
        channels.append(size)
    rows = []
    for row in VARIANTS:
        blocks = scale_blocks(row.backbone, row.width, FAMILIES[row.family])
        if channels == [block.filters for block in blocks]:
            rows.append(row)
    if len(rows) == 1:
        return rows[0]
    fitting = [row.name for row in rows or VARIANTS]
    why = "fits several variants" if rows else "fits no variant by its channels"
    raise InputError(
        f"{path} {why}; say which with variant= (of `keras-lraspp convert` "
        f"--variant=), one of {fitting}."
    )
