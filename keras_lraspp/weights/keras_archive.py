"""Safe reading of Keras's own files, `.keras` and `.weights.h5`.

Keras refuses much of this too, depending on its release; what is checked here does not.
"""

import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py

from keras_lraspp.errors import InputError

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
