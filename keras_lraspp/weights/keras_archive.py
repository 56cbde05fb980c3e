"""Safe reader of `.keras` archives and HDF5 files of weights, by their headers first.

Keras refuses much of what is refused here too, depending on its release.
"""

import io
import math
import os
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from keras_lraspp.errors import InputError
from keras_lraspp.files import open_regular, read_regular
from keras_lraspp.schema import parse_json
from keras_lraspp.weights.tensors import BFLOAT16, from_bfloat16
from keras_lraspp.weights.zip_archive import LARGEST_READ, open_zip

# Names in a `.keras` file and in the folders of Keras and keras-hub.
CONFIG_MEMBER = "config.json"
METADATA_MEMBER = "metadata.json"
WEIGHTS_MEMBER = "model.weights.h5"
CARD_MEMBER = "keras_lraspp.json"  # ours, with classes and scores
# The largest network here with its optimizer takes 60 MB.
LARGEST_WEIGHTS = 512 << 20
_LARGEST_TEXT = 1 << 20  # of one JSON member; a card of 256 classes takes about 10 000
_MOST_MEMBERS = 64
_MOST_DATASETS = 5000  # and groups; the largest network with optimizer has 1500
_DEEPEST = 50  # groups in groups; our networks have 5
_MEND = "take the file that Keras or a training wrote"

_Shape = tuple[int, ...]


@dataclass(frozen=True)
class KerasArchive:
    """A `.keras` file that was read once, its sizes, checksums and tensors checked.

    Or a folder with the same files, as presets are.

    Attributes:
        path: The file or folder.
        texts: Content of its JSON members by name, but for those above 1 MiB.
        shapes: Shapes of its tensors, those of an optimizer left out.
        has_bfloat16: Whether there are tensors of bfloat16 among them all.
    """

    path: Path
    texts: Mapping[str, bytes]
    shapes: tuple[_Shape, ...] = ()
    has_bfloat16: bool = False

    @property
    def weights_path(self) -> Path:
        """What `keras.Model.load_weights` takes for it."""
        return self.path / WEIGHTS_MEMBER if self.path.is_dir() else self.path

    def config(self) -> dict[str, Any]:
        """Returns the class and arguments that the file names, as data."""
        config = self.read_json(CONFIG_MEMBER, dict[str, Any])
        if not isinstance(config.get("config"), dict):
            raise InputError(
                f"{self.path} is no .keras file of a model: {CONFIG_MEMBER} names no "
                f"class with its arguments; {_MEND}."
            )
        return config

    def read_json(self, name: str, kind: Any, *, extra: bool = False) -> Any:
        """Returns a JSON member as `parse_json` does, with its errors."""
        if name not in self.texts:
            raise InputError(
                f"{self.path} has no {name} of at most {_LARGEST_TEXT} bytes; {_MEND}."
            )
        source = f"{self.path}: {name}"
        return parse_json(self.texts[name], kind, source, mend=_MEND, extra=extra)


def read_keras_archive(path: str | Path) -> KerasArchive:
    """Reads a `.keras` file once and checks all of it.

    Raises:
        InputError: If it is damaged, would need more memory than it has bytes or such
            networks do, or has weights that are not finite.
    """
    path = Path(path)
    try:
        with (
            open_regular(path) as file,
            open_zip(file, path, _MOST_MEMBERS, LARGEST_WEIGHTS, _MEND) as archive,
        ):
            if damaged := archive.testzip():
                raise InputError(
                    f"{path} is damaged: the checksum of {damaged} is wrong."
                )
            weights = io.BytesIO()
            with archive.open(WEIGHTS_MEMBER) as member:
                shutil.copyfileobj(member, weights, LARGEST_READ)
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
    shapes, has_bfloat16 = _check_tensors(path, weights)
    return KerasArchive(path, texts, shapes, has_bfloat16)


def read_keras_folder(folder: Path) -> KerasArchive:
    """Reads a folder with the files of a `.keras` archive and checks all of it.

    Raises:
        InputError: If a file is missing or damaged; see `read_keras_archive`.
    """
    texts = {}
    for name in (CONFIG_MEMBER, METADATA_MEMBER, CARD_MEMBER):
        if name == CONFIG_MEMBER or os.path.lexists(folder / name):
            texts[name] = _read_file(folder / name, _LARGEST_TEXT)
    weights = folder / WEIGHTS_MEMBER
    content = io.BytesIO(_read_file(weights, LARGEST_WEIGHTS))
    shapes, has_bfloat16 = _check_tensors(weights, content)
    return KerasArchive(folder, texts, shapes, has_bfloat16)


def _read_file(path: Path, most: int) -> bytes:
    try:
        return read_regular(path, most)
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror}); {_MEND}."
        ) from error


def check_hdf5(path: Path) -> bool:
    """Checks an HDF5 file of weights as those in a `.keras` file are checked.

    Returns whether there are tensors of bfloat16 in it.
    """
    return _check_tensors(path, io.BytesIO(_read_file(path, LARGEST_WEIGHTS)))[1]


def copy_weights(path: Path, target: Path) -> None:
    """Writes the weights of a checked file anew, for Keras to load.

    Keras notes bfloat16 in an attribute of the tensor, and HDF5 may hang on a damaged
    one. So nobody reads those of the file: two opaque bytes are a bfloat16.

    Args:
        path: A `.keras` file, or an HDF5 file of weights.
        target: The HDF5 file to write.
    """
    content = io.BytesIO(path.read_bytes())
    if zipfile.is_zipfile(content):
        with zipfile.ZipFile(content) as archive:
            content = io.BytesIO(archive.read(WEIGHTS_MEMBER))
    with h5py.File(content, "r") as file, h5py.File(target, "w") as copy:
        for tensor in _tensors(file):
            copied = copy.create_dataset(tensor.name, data=_values(tensor, content))
            if tensor.dtype == BFLOAT16:
                copied.attrs["dtype"] = "bfloat16"


def _check_tensors(path: Path, content: io.BytesIO) -> tuple[tuple[_Shape, ...], bool]:
    """Returns the shapes of all tensors in an HDF5 file but those of an optimizer.

    And whether any is of bfloat16. What is kept by any other way than byte for byte is
    refused: then no tensor takes more memory than the file has bytes.
    """
    shapes, has_bfloat16 = [], False
    try:
        with h5py.File(content, "r") as file:
            for tensor in _tensors(file):
                _check_values(tensor, content)
                has_bfloat16 |= tensor.dtype.kind == "V"
                if not tensor.name.startswith("/optimizer/"):
                    shapes.append(tensor.shape)
    except _Refusal as error:
        raise InputError(f"{path} is refused: {error}.") from error
    except Exception as error:
        raise InputError(f"{path} holds no readable weights ({error}).") from error
    return tuple(shapes), has_bfloat16


class _Refusal(Exception):
    """Says what is wrong with a file's tensors."""


def _tensors(file: h5py.File) -> Iterator[h5py.Dataset]:
    """Yields the tensors of a file after a look at their headers."""
    groups, items, total, places = [file], 0, 0, set()
    while groups:
        group = groups.pop()
        items += len(group)
        if items > _MOST_DATASETS or group.name.count("/") > _DEEPEST:
            raise _Refusal(
                f"it has more than {_MOST_DATASETS} tensors, or groups nested deeper "
                f"than {_DEEPEST}"
            )
        places.add(h5py.h5o.get_info(group.id).addr)
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise _Refusal(f"{group.name}/{name} is a link")
            item = group[name]
            if h5py.h5o.get_info(item.id).addr in places:
                raise _Refusal(f"{group.name}/{name} is a group that it is in")
            if isinstance(item, h5py.Group):
                groups.append(item)
                continue
            if not isinstance(item, h5py.Dataset) or item.shape is None:
                raise _Refusal(f"{item.name} is no tensor")
            total += math.prod(item.shape) * item.dtype.itemsize
            if total > LARGEST_WEIGHTS:
                raise _Refusal(
                    f"its tensors, {item.name} {item.shape} among them, would take "
                    f"more than {LARGEST_WEIGHTS >> 20} MiB"
                )
            yield item


def _check_values(tensor: h5py.Dataset, content: io.BytesIO) -> None:
    """Checks that a tensor is kept as Keras does, and that its values are finite."""
    if tensor.external or tensor.is_virtual:
        raise _Refusal(f"{tensor.name} is kept in another file")
    # Nobody reads an attribute: HDF5 may hang on a damaged one. Bytes and type are
    # NumPy's own, with no conversion between them.
    native = tensor.id.get_type().equal(h5py.h5t.py_create(tensor.dtype))
    is_bfloat16 = tensor.dtype == BFLOAT16
    plain_number = tensor.dtype.kind in "fiub" and native and not len(tensor.attrs)
    if not plain_number and not (is_bfloat16 and len(tensor.attrs) <= 1):
        raise _Refusal(
            f"{tensor.name} has attributes, or values of another type than bfloat16 "
            f"and the numbers of NumPy"
        )
    plain = tensor.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
    if not plain or tensor.id.get_storage_size() != tensor.nbytes:
        raise _Refusal(
            f"{tensor.name} {tensor.shape} is compressed, in chunks or not stored at "
            f"all, which Keras does not do"
        )
    if not tensor.nbytes:
        return
    values = _values(tensor, content)
    if is_bfloat16:  # the upper half of a float32
        values = from_bfloat16(values)
    with np.errstate(over="ignore"):  # what a float32 cannot hold becomes infinite
        values = values.astype("float32", copy=False)
    if not np.isfinite(values).all():
        raise _Refusal(
            f"{tensor.name} has values that are not finite, as a training leaves that "
            f"diverged"
        )


def _values(tensor: h5py.Dataset, content: io.BytesIO) -> np.ndarray:
    """Returns what is stored of a tensor that is stored byte for byte."""
    if not tensor.nbytes:
        return np.zeros(tensor.shape, tensor.dtype)
    values = np.frombuffer(
        content.getbuffer(), tensor.dtype, tensor.size, tensor.id.get_offset()
    )
    return values.reshape(tensor.shape)
