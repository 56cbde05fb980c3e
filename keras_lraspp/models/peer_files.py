"""Files of weights for the code bases that others wrote: PaddleSeg's, PyTorch's.

The way back from `LRASPP.from_preset("file.pth")`.
"""

from pathlib import Path

import keras
import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import write_pdparams, write_pytorch, write_safetensors
from keras_lraspp.weights.published import PUBLISHERS, VARIANTS

_PYTORCH = (".pth", ".pt", ".safetensors")
# The families that have a code base of LR-ASPP, and the files that it loads.
SUFFIXES = {
    "paddleseg": (".pdparams",),
    "torchvision": _PYTORCH,
    "fastseg": _PYTORCH,
    "mmseg": _PYTORCH,
}


def save_peer_weights(
    network: keras.Model, path: Path, to: str | None = None, *, classes: ClassSet
) -> Path:
    """Writes a network's weights as its family's code base loads them.

    PaddleSeg's biases in front of batch norms, which networks here do not have, are
    zeros. What fastseg and mmsegmentation keep beside the weights is in `.pth` and
    `.pt` files: the number, or the names and colours, of the classes.

    Args:
        network: An `LRASPP`.
        path: The file to write or replace: `.pdparams` for PaddleSeg, `.pth`, `.pt` or
            `.safetensors` for the others.
        to: The code base, a family; `None` for that of the network.
        classes: Names and colours of the classes, for mmsegmentation.

    Returns:
        `path`.

    Raises:
        InputError: If the network is of another family, or the code base has none of
            its width, output stride, pooling or channels, or does not load such files.
        StorageError: If it cannot be written.
    """
    _check_target(network, path, to or network.family)
    tensors = peer_tensors(network)
    if path.suffix == ".pdparams":
        write_pdparams(tensors, path)
    elif path.suffix == ".safetensors":
        write_safetensors(tensors, path)
    else:
        beside = None
        if network.family == "fastseg":  # which takes off this prefix
            tensors = {f"module.{name}": value for name, value in tensors.items()}
            beside = {"num_classes": network.num_classes}
        elif network.family == "mmseg":
            beside = {"meta": _mmseg_meta(classes)}
        write_pytorch(tensors, path, beside)
    return path


def peer_tensors(network: keras.Model) -> dict[str, np.ndarray]:
    """Returns a network's weights by the names, and in the layout, of its code base."""
    tensors = {}
    for row in reference_tensors(network):
        value = np.asarray(keras.ops.convert_to_numpy(row.variable), "float32")
        tensors[row.name] = np.ascontiguousarray(row.to_reference(value))
        if row.minus is not None:
            tensors[row.minus] = np.zeros_like(value)
        if row.name.endswith(".running_var"):
            counter = row.name.replace("running_var", "num_batches_tracked")
            tensors[counter] = np.zeros((), "int64")
    return tensors


def _mmseg_meta(classes: ClassSet) -> dict:
    """Returns what mmsegmentation reads of classes: since its version 1, and before."""
    names, palette = list(classes.names), [list(color) for color in classes.palette]
    newer = {"classes": names, "palette": palette}
    return {"dataset_meta": newer, "CLASSES": names, "PALETTE": palette}


def _check_target(network: keras.Model, path: Path, to: str) -> None:
    if to not in SUFFIXES:
        raise InputError(
            f"There is no code base of LR-ASPP for family {to!r}, only for "
            f"{', '.join(SUFFIXES)}; write a .keras file."
        )
    if to != network.family:
        raise InputError(
            f"The network is of family {network.family!r}, and {to} has no such "
            f"network; leave out --to, or train one with LRASPP.family = {to!r}."
        )
    name = PUBLISHERS[to].name
    if path.suffix not in SUFFIXES[to]:
        raise InputError(
            f"{name} does not load {path.suffix or 'files without a suffix'}, but "
            f"{', '.join(SUFFIXES[to])}; rename the output {path}."
        )
    wanted = {"channels": 3}
    if to != "paddleseg":  # which builds all of ours
        row = next(row for row in VARIANTS if row.family == to)
        names = ("width", "output_stride", "pooling")
        wanted |= {name: row.arguments[name] for name in names}
    found = {**network.get_config(), "channels": network.input_shape[-1]}
    differing = [
        f"{key}={found[key]!r} here, {value!r} there"
        for key, value in wanted.items()
        if found[key] != value
    ]
    if differing:
        raise InputError(
            f"{name} has no such network, and its own would take these weights for "
            f"others: {'; '.join(differing)}."
        )
