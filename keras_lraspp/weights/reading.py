"""Read tensors from a file of weights: .pdparams, .pth, .pt, .bin or .safetensors."""

import os
import pickle
from pathlib import Path
from typing import BinaryIO

import numpy as np

from keras_lraspp.errors import InputError, naming_packages
from keras_lraspp.weights.paddle import CHECKPOINT_ARCHIVES, read_pdparams
from keras_lraspp.weights.pytorch import is_pytorch, read_pytorch
from keras_lraspp.weights.tensors import (
    BFLOAT16,
    float_tensors,
    read_weights_file,
)

_PYTORCH = (".pth", ".pt", ".bin")
# Of all files that are read.
WEIGHTS_SUFFIXES = (".pdparams", *_PYTORCH, ".safetensors", *CHECKPOINT_ARCHIVES)
_LARGEST_HEADER = 1 << 20  # of safetensors; 400 tensors take about 40 000 bytes
_NUMBER_TYPES = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": BFLOAT16,
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
}


def read_tensors(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a file of weights, by what is in it, without running it.

    Args:
        path: A `.pdparams` file of PaddlePaddle, or a folder or archive that holds
            `model.pdparams`; a checkpoint of PyTorch (`.pth`, `.pt`, `.bin`); or a
            `.safetensors` file.

    Returns:
        Float32 arrays by name.

    Raises:
        InputError: If the file is missing, none of these, too large or damaged, or
            holds anything else than finite floats; see `read_pdparams`,
            `read_pytorch` and `read_safetensors`.
        StorageError: If it cannot be read.
    """
    path = Path(path)
    if os.path.isdir(path) or path.name.endswith(CHECKPOINT_ARCHIVES):
        return read_pdparams(path)
    begin, size = read_weights_file(path, _begin_and_size)
    suffix = path.suffix.lower()
    if is_pytorch(begin):
        return read_pytorch(path)
    if begin[8:9] == b"{" and int.from_bytes(begin[:8], "little") < size:
        return read_safetensors(path)
    # Of a damaged file only the name says what it was.
    if suffix in _PYTORCH:
        return read_pytorch(path)
    if suffix == ".safetensors":
        return read_safetensors(path)
    if begin[:1] == pickle.PROTO or suffix == ".pdparams":
        return read_pdparams(path)
    raise InputError(
        f"{path} is no file of weights, as it begins with {begin[:12]!r}; expected one "
        f"of PaddlePaddle (.pdparams), of PyTorch (.pth, .pt, .bin) or .safetensors."
    )


def _begin_and_size(file: BinaryIO, path: Path) -> tuple[bytes, int]:
    return file.read(64), file.seek(0, os.SEEK_END)


@naming_packages("Reading .safetensors files")
def read_safetensors(path: str | Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a `.safetensors` file.

    Args:
        path: The file. Its metadata are not read. `module.` before all names is taken
            off.

    Returns:
        Float32 arrays in the order of their names, of tensors in float32, float64,
        float16 or bfloat16. `num_batches_tracked` is left out.

    Raises:
        InputError: If the file is missing, too large or damaged, has tensors that are
            no floats, or values that are not finite, or the package safetensors is not
            installed.
        StorageError: If it cannot be read.
    """
    import safetensors

    path = Path(path)
    data = read_weights_file(path)
    length = int.from_bytes(data[:8], "little")
    try:
        if length > _LARGEST_HEADER:
            raise ValueError(f"a header of {length} bytes")
        entries = dict(safetensors.deserialize(data))
    except Exception as error:  # the package has a class of its own for damage
        raise InputError(
            f"{path} is damaged or no .safetensors file ({error}); get it again from "
            f"where it is published."
        ) from error
    values: dict[str, np.ndarray] = {}
    for name, entry in sorted(entries.items()):
        number_type = _NUMBER_TYPES.get(entry["dtype"])
        if number_type is None:
            raise InputError(
                f"{path}: {name[:100]} is no float tensor, but {entry['dtype']}."
            )
        shape, raw = entry["shape"], entry["data"]
        values[name] = np.frombuffer(raw, number_type).reshape(shape)
    return float_tensors(values, path)
