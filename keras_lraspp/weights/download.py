"""Published weights: downloaded once, checked, kept with their digest."""

import contextlib
import json
import os
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import replacing, sha256, write_text
from keras_lraspp.weights.paddle import read_pdparams

MIRROR = "https://paddleseg.bj.bcebos.com/dygraph"
# Names another address that serves the same files.
MIRROR_VARIABLE = "KERAS_LRASPP_MIRROR"

_PATIENCE = 60  # seconds without an answer or a byte

Check = Callable[[dict[str, np.ndarray]], None]


class Published(NamedTuple):
    """A file with weights that somebody publishes.

    Attributes:
        file_name: What it is called in the cache.
        path: Where it is, below the mirror's address.
        otherwise: How to do without it, for the message if it cannot be had.
    """

    file_name: str
    path: str
    otherwise: str

    @property
    def address(self) -> str:
        """Where it is downloaded from."""
        mirror = os.environ.get(MIRROR_VARIABLE) or MIRROR
        return f"{mirror.rstrip('/')}/{self.path}"

    @property
    def cached(self) -> Path:
        """Where it is kept: in Keras's folder, `KERAS_HOME` or `~/.keras`."""
        home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        return home / "keras_lraspp" / self.file_name


def fetch(published: Published, check: Check) -> dict[str, np.ndarray]:
    """Returns the tensors of a published file, from the cache if it is there.

    No digest is published for these files. So the first download is checked for what
    its tensors must be, and its digest is kept beside it, in a `.json`; from then on
    the file, and any later download of it, must have that digest.

    Args:
        published: The file.
        check: Raises an error for tensors that are not the right ones.

    Returns:
        Float32 arrays by name.

    Raises:
        InputError: If the file is not what it should be. A download is then not kept.
        StorageError: If it cannot be downloaded, read or written.
    """
    pin = _Pin(published)
    if published.cached.is_file():
        if pin.fits(published.cached):
            tensors = read_pdparams(published.cached)
            check(tensors)
            pin.keep(published.cached)
            return tensors
        warnings.warn(
            f"{published.cached} was cut or changed since it was downloaded; "
            f"downloading it again.",
            stacklevel=2,
        )
    try:
        with replacing(published.cached) as temporary:
            _download(published.address, temporary)
            tensors = _checked(temporary, published.address, check, pin)
    except _DownloadError as error:
        raise StorageError(
            f"Cannot download {published.address} ({error}). Get the file in another "
            f"way and put it at {published.cached}, or {published.otherwise}."
        ) from error
    pin.keep(published.cached)
    return tensors


class _DownloadError(Exception):
    """The file did not come, or not all of it."""


def _download(address: str, target: Path) -> None:
    """Downloads to a file in a folder of its own; a cut download raises an error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)  # or a silent server would hold us for ever
    try:
        keras.utils.get_file(
            target.name, address, cache_dir=str(target.parent), cache_subdir=""
        )
    except Exception as error:  # Keras raises the bare class
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise _DownloadError(reason) from error
    finally:
        socket.setdefaulttimeout(before)


def _checked(file: Path, address: str, check: Check, pin: "_Pin"):
    """Returns the tensors of a fresh download, or raises an error on its address."""
    if not pin.fits(file):
        raise InputError(
            f"{address} is not what it was when first downloaded: its SHA-256 is "
            f"{sha256(file)}, not {pin.digest}. It was not kept; download again, or "
            f"delete {pin.path} if you trust the new file."
        )
    try:
        tensors = read_pdparams(file)
        check(tensors)
    except InputError as error:
        reason = str(error).replace(str(file), "the file")
        raise InputError(
            f"{address} did not give the published weights and was not kept: {reason}"
        ) from error
    return tensors


class _Pin:
    """The digest of the first download, in a `.json` beside the file."""

    def __init__(self, published: Published):
        self.path = published.cached.with_name(f"{published.file_name}.json")
        self.address = published.address
        self.digest: str | None = None
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            self.digest = str(json.loads(self.path.read_text())["sha256"])

    def fits(self, file: Path) -> bool:
        """Whether a file is the one that was first downloaded, if there was one."""
        return self.digest is None or self.digest == sha256(file)

    def keep(self, file: Path) -> None:
        """Notes the digest, once."""
        if self.digest is not None:
            return
        note = {"address": self.address, "sha256": sha256(file)}
        write_text(self.path, json.dumps(note, indent=2) + "\n")
