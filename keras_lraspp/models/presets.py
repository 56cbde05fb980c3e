"""Presets: networks by name or from a file, with their weights."""

import os
from pathlib import Path
from typing import TypeVar

import keras

from keras_lraspp.classes import CLASS_SETS, ClassSet
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.models.importing import adapt_channels, check_compatible, fill
from keras_lraspp.models.keras_file import known_classes, read_arguments, read_policy
from keras_lraspp.models.keras_file import load_weights as load_keras_weights
from keras_lraspp.models.mobilenet_v3 import BLOCKS
from keras_lraspp.models.tensor_names import (
    canonical_name,
    class_variables,
    family_of,
    layer_name,
    reference_tensors,
)
from keras_lraspp.models.variants import weight_shapes
from keras_lraspp.weights import read_tensors
from keras_lraspp.weights.download import fetch
from keras_lraspp.weights.hub import is_preset_folder, read_preset_folder
from keras_lraspp.weights.keras_archive import KerasArchive, read_keras_archive
from keras_lraspp.weights.published import VARIANTS, Variant, find_variant
from keras_lraspp.weights.reading import WEIGHTS_SUFFIXES

_Network = TypeVar("_Network", bound=keras.Model)


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
        others = [row.name for row in VARIANTS if not row.preset]
        raise InputError(
            f"There is no preset or file {str(preset)[:200]!r}; give one of {names}, a "
            f".keras, .pdparams, .pth, .pt or .safetensors file, a preset folder, "
            f"hf://user/name, or, with "
            f"load_weights=False, one of {others}."
        )
    if path.name.endswith(".keras"):
        file = read_keras_archive(path)
        return _from_keras_file(cls, file, load_weights, num_classes, overrides)
    if path.is_dir() or path.name.endswith(WEIGHTS_SUFFIXES):
        return _from_reference_file(
            cls, path, load_weights, num_classes, strict, variant, overrides
        )
    raise InputError(
        f"{path} is no preset: expected a .keras file, or one of {WEIGHTS_SUFFIXES}."
    )


def _from_table(cls, row: Variant, load_weights, num_classes, strict, overrides):
    if load_weights and row.published is None:
        raise InputError(
            f"There are no published weights of {row.name}; build it with "
            f"load_weights=False."
        )
    number = row.num_classes if num_classes is None else num_classes
    model = cls(**{**row.arguments, "num_classes": number, **overrides})
    if not load_weights:
        return model

    def check(tensors):
        check_compatible(cls(row.num_classes, **row.arguments), tensors, "The file")

    tensors = fetch(row.published, check)
    if number == row.num_classes:
        model.classes = CLASS_SETS[row.classes]
    return _fill_matching(model, tensors, row.published.address, strict)


def _from_reference_file(
    cls, path: Path, load_weights, num_classes, strict, variant, overrides
):
    tensors = read_tensors(path)
    family = family_of(tensors)
    if family is None:
        names = abbreviate(name[:100] for name in tensors)
        families = ", ".join(dict.fromkeys(row.family for row in VARIANTS))
        raise InputError(
            f"{path} fits no variant: its tensors, {names}, are named as in no LR-ASPP "
            f"of {families}; take the weights of one."
        )
    arguments = _recognize(tensors, family, path, variant)
    if num_classes is None:
        num_classes = _filters_of("head_classes_conv", tensors, family)
        if num_classes is None:
            layer = layer_name("head_classes_conv", (), family, "large")
            raise InputError(
                f"{path} has no layer of classes ({layer}.weight); build an LRASPP and "
                f"fill its backbone with import_weights, or give num_classes."
            )
    model = cls(**{**arguments, "num_classes": num_classes, **overrides})
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
    mean, shift = ours.backbone.get_layer("stem_bn").moving_mean, None
    last = {id(variable) for variable in class_variables(ours)}
    for variable, value in zip(ours.weights, theirs.get_weights(), strict=True):
        if variable is stem and variable.shape != value.shape:
            channels = variable.shape[2]
            value, shift = adapt_channels(value, channels, source, ours.family)
        if variable is mean and shift is not None:
            value = value - shift
        if id(variable) not in last or variable.shape == value.shape:
            variable.assign(value)


def _fill_matching(model, tensors, source: str, strict: bool):
    """Fills a network, but not its last layer if that has other classes."""
    number = _filters_of("head_classes_conv", tensors, model.family)
    last = {id(variable) for variable in class_variables(model)}
    names = [row.name for row in reference_tensors(model) if id(row.variable) in last]
    skip = names if number not in (None, model.num_classes) else ()
    fill(model, tensors, source, strict=strict, skip=skip)
    return model


def presumed_classes(model: keras.Model) -> ClassSet | None:
    """Returns the classes that weights which do not say theirs are taken to have.

    Those of the published networks of the model's family, if it has as many classes.
    """
    for row in VARIANTS:
        if (row.family, row.num_classes) == (model.family, model.num_classes):
            return CLASS_SETS[row.classes]
    return None


def _filters_of(layer: str, tensors, family: str) -> int | None:
    """Returns the channels out of a layer of the head, by its tensor in a file."""
    kernel = tensors.get(f"{layer_name(layer, (), family, 'large')}.weight")
    return (
        len(kernel) if kernel is not None and kernel.ndim == 4 and len(kernel) else None
    )


def _recognize(tensors, family: str, path: Path, variant: str | None) -> dict:
    """Finds the network's arguments by names and shapes; strides leave no trace."""
    if variant is not None:
        return _named_row(variant, family, path).arguments
    sizes = {
        canonical_name(name, family): value.size for name, value in tensors.items()
    }
    own = [row for row in VARIANTS if row.family == family]
    rows = [row for row in own if _fits(row, sizes)]
    if not rows and family != "paddleseg":  # whose other rows leave nothing to choose
        others = [
            row._replace(backbone=backbone, width=width)
            for row in own[:1]
            for backbone in BLOCKS
            for width in sorted({row.width for row in VARIANTS})
        ]
        rows = [row for row in others if _fits(row, sizes)]
    filters = _filters_of("head_value_conv", tensors, family)
    found = []
    for row in rows:
        arguments = {**row.arguments, **({"head_filters": filters} if filters else {})}
        if arguments not in found:
            found.append(arguments)
    if len(found) == 1:
        return found[0]
    why = "fits several variants" if found else "fits no variant by its channels"
    raise InputError(
        f"{path} {why}; say which with variant= (of `keras-lraspp convert` "
        f"--variant=), one of {[row.name for row in rows or own]}."
    )


def _named_row(variant: str, family: str, path: Path) -> Variant:
    row = find_variant(variant)
    if row is None:
        names = [row.name for row in VARIANTS]
        raise InputError(f"There is no variant {variant}; choose one of {names}.")
    if row.family != family:
        names = [row.name for row in VARIANTS if row.family == family]
        raise InputError(
            f"{path} holds tensors of a network of family {family!r}, and {variant} is "
            f"of {row.family!r}; take the variant, or the configuration, of {names}."
        )
    return row


def _fits(row: Variant, sizes: dict[str, int]) -> bool:
    """Whether the blocks of a file have the channels of a row's."""
    arguments = {**row.arguments, "num_classes": 1, "input_shape": (None, None, 3)}
    shapes = weight_shapes(arguments)
    layers = [path.rpartition("/")[0] for path in shapes]
    return all(
        sizes.get(f"{layer_name(layer, layers, row.family, row.backbone)}.weight")
        == shapes[f"{layer}/gamma"][0]
        for layer in dict.fromkeys(layers)
        if layer.endswith("_project_bn")
    )
