"""Keras's own files, `.keras` and `.weights.h5`, checked before they are read.

Keras refuses much of this too, depending on its release; what is checked here does not.
"""

import io
import json
import math
import zipfile
from pathlib import Path

import h5py

from keras_lraspp.errors import InputError

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"
# The largest network here with its optimizer takes 60 MB.
LARGEST_WEIGHTS = 512 << 20
LARGEST_CONFIG = 1 << 20
MOST_MEMBERS = 64
MOST_DATASETS = 5000  # and groups; the largest network with optimizer has 1500


def check_keras_archive(path: Path) -> None:
    """Checks sizes, checksums and tensors of a `.keras` file.

    Args:
        path: The file.

    Raises:
        InputError: If it is damaged, or would need more memory than such networks do.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            _check_sizes(archive, path)
            damaged = archive.testzip()
            if damaged is None:
                weights = archive.read(WEIGHTS)
    except InputError:
        raise
    except Exception as error:  # flipped bits raise many kinds
        raise InputError(f"{path} is damaged or no .keras file ({error}).") from error
    if damaged is not None:
        raise InputError(f"{path} is damaged: the checksum of {damaged} is wrong.")
    check_hdf5(path, weights)


def read_config(path: Path) -> dict:
    """Returns the class and arguments that a checked `.keras` file names, as data.

    Raises:
        InputError: If they cannot be read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo(CONFIG).file_size > LARGEST_CONFIG:
                raise ValueError(f"{CONFIG} has more than {LARGEST_CONFIG} bytes")
            config = json.loads(archive.read(CONFIG))
        if not isinstance(config, dict) or not isinstance(config.get("config"), dict):
            raise ValueError(f"{CONFIG} names no class with its arguments")
    except Exception as error:
        raise InputError(f"{path} is no .keras file of a model ({error}).") from error
    return config


def check_hdf5(path: Path, content: bytes | None = None) -> None:
    """Checks that an HDF5 file holds numbers of a bounded size, and no links.

    Args:
        path: The file, or the archive that `content` is from.
        content: The file's bytes, if it is in an archive.

    Raises:
        InputError: If it points to other files, or its tensors are too many or large.
    """
    try:
        with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
            reason = _complaint(file)
    except Exception as error:
        raise InputError(f"{path} holds no readable weights ({error}).") from error
    if reason is not None:
        raise InputError(f"{path} is refused: {reason}.")


def _check_sizes(archive: zipfile.ZipFile, path: Path) -> None:
    members = archive.infolist()
    total = sum(member.file_size for member in members)
    if len(members) > MOST_MEMBERS or total > LARGEST_WEIGHTS:
        raise InputError(
            f"{path} is refused: it unpacks to {len(members)} files of {total} bytes; "
            f"at most {MOST_MEMBERS} and {LARGEST_WEIGHTS} are expected."
        )


def _complaint(file: h5py.File) -> str | None:
    """Says what is wrong with a file's tensors, `None` if nothing is."""
    groups, datasets, total = [file], 0, 0
    while groups:
        group = groups.pop()
        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                return f"{group.name}/{name} is a link"
            datasets += 1
            if datasets > MOST_DATASETS:
                return f"it has more than {MOST_DATASETS} tensors"
            item = group[name]
            if isinstance(item, h5py.Group):
                groups.append(item)
                continue
            if not isinstance(item, h5py.Dataset) or item.shape is None:
                return f"{item.name} is no tensor"
            if item.external or item.is_virtual:
                return f"{item.name} is kept in another file"
            total += math.prod(item.shape) * item.dtype.itemsize
            if total > LARGEST_WEIGHTS:
                return (
                    f"its tensors, {item.name} {item.shape} among them, would take "
                    f"more than {LARGEST_WEIGHTS >> 20} MiB"
                )
    return None
