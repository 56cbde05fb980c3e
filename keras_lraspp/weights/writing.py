"""Write tensors as .pth, .pdparams and .safetensors files, without the frameworks."""

import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_lraspp.errors import naming_packages
from keras_lraspp.files import replacing


def write_pytorch(
    tensors: Mapping[str, np.ndarray],
    path: str | Path,
    beside: Mapping[str, Any] | None = None,
) -> None:
    """Writes a PyTorch checkpoint that `torch.load(path, weights_only=True)` reads.

    Args:
        tensors: Arrays by name; they are written in float32, those of int64 in int64.
        path: The file to write or replace, in one step.
        beside: What else the file holds, plain data by name; the tensors are then in
            its entry `state_dict`. Without, the file is the state dict alone.

    Raises:
        StorageError: If it cannot be written.
    """
    arrays = {name: _plain_array(array) for name, array in tensors.items()}
    content = _pickled(arrays)
    if beside is not None:
        items = [_plain(name) + _plain(value) for name, value in beside.items()]
        content = b"}(" + b"".join(items) + _plain("state_dict") + content + b"u"
    with (
        replacing(Path(path)) as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
    ):
        _add(archive, "data.pkl", pickle.PROTO + b"\2" + content + pickle.STOP)
        _add(archive, "byteorder", b"little")
        for index, array in enumerate(arrays.values()):
            _add(archive, f"data/{index}", array.tobytes())
        _add(archive, "version", b"3\n")


def _plain_array(array: np.ndarray) -> np.ndarray:
    is_whole = np.asarray(array).dtype == np.int64
    return np.asarray(array, "<i8" if is_whole else "<f4", order="C")


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Adds a member whose bytes are at a multiple of 64, for those who map the file."""
    member = zipfile.ZipInfo(f"archive/{name}")
    begin = archive.start_dir + 30 + len(member.filename) + 4
    padding = bytes(-begin % 64)
    member.extra = b"FB" + struct.pack("<H", len(padding)) + padding
    archive.writestr(member, content)


def _pickled(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Returns the opcodes of an `OrderedDict` of tensors."""
    items = []
    for index, (name, array) in enumerate(arrays.items()):
        size = array.dtype.itemsize
        strides = tuple(stride // size for stride in np.empty_like(array).strides)
        kind = b"Long" if array.dtype.kind == "i" else b"Float"
        storage = b"ctorch\n%bStorage\n" % kind + _plain(str(index)) + _plain("cpu")
        items += [
            _plain(name),
            b"ctorch._utils\n_rebuild_tensor_v2\n((",
            _plain("storage") + storage + _plain(array.size) + b"tQ",
            _plain(0) + _plain(array.shape) + _plain(strides),
            pickle.NEWFALSE + _EMPTY + b"tR",
        ]
    return _EMPTY + b"(" + b"".join(items) + b"u"


_EMPTY = b"ccollections\nOrderedDict\n)R"


def _plain(value: object) -> bytes:
    """Returns the opcodes of plain data, which use the memo for themselves alone."""
    return pickle.dumps(value, protocol=2)[2:-1]


def write_pdparams(tensors: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Writes a PaddlePaddle checkpoint that `paddle.load` reads.

    Args:
        tensors: Arrays by name; they are written in float32.
        path: The `.pdparams` file to write or replace, in one step.

    Raises:
        StorageError: If it cannot be written.
    """
    arrays = {
        name: np.asarray(array, "<f4", order="C") for name, array in tensors.items()
    }
    # Protocol 3 keeps bytes as they are, and names of modules as lines.
    content = pickle.dumps(arrays, protocol=3)
    # NumPy 1 does not know where NumPy 2 has it; both know this one.
    content = content.replace(b"cnumpy._core.", b"cnumpy.core.", 1)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)


@naming_packages("Writing .safetensors files")
def write_safetensors(tensors: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Writes a `.safetensors` file.

    Args:
        tensors: Arrays by name; they are written in float32, those of int64 in int64.
        path: The file to write or replace, in one step.

    Raises:
        InputError: If the package safetensors is not installed.
        StorageError: If it cannot be written.
    """
    import safetensors.numpy

    arrays = {name: _plain_array(array) for name, array in tensors.items()}
    content = safetensors.numpy.save(arrays)
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(content)
