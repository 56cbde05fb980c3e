"""Download of published weights, checked and cached with their SHA-256."""

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

_TIMEOUT = 60  # seconds without an answer or a byte

Check = Callable[[dict[str, np.ndarray]], None]  # raises an error for wrong tensors


class Published(NamedTuple):
    """A file with weights that somebody publishes."""

    file_name: str  # in the cache
    path: str  # below the mirror's address
    otherwise: str  # how to do without it, for the message if it cannot be had

    @property
    def address(self) -> str:
        """Where it is downloaded from; the variable names another mirror."""
        mirror = os.environ.get("KERAS_LRASPP_MIRROR") or MIRROR
        return f"{mirror.rstrip('/')}/{self.path}"

    @property
    def cached(self) -> Path:
        """Where it is kept: in Keras's folder, `KERAS_HOME` or `~/.keras`."""
        home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        return home / "keras_lraspp" / self.file_name

    @property
    def pin(self) -> Path:
        """The `.json` beside it, with the digest of the first download."""
        return self.cached.with_name(f"{self.file_name}.json")


def fetch(published: Published, check: Check) -> dict[str, np.ndarray]:
    """Returns the tensors of a published file, from the cache if it is there.

    No digest is published for these files. So the first download is checked for what
    its tensors must be, and its SHA-256 is kept beside it, in a `.json`; from then on
    the file, and any later download of it, must have that digest.

    Raises:
        InputError: If the file is not what it should be. A download is then not kept.
        StorageError: If it cannot be downloaded, read or written.
    """
    cached, digest = published.cached, _pinned_digest(published)
    if cached.is_file():
        if digest in (None, sha256(cached)):
            tensors = read_pdparams(cached)
            check(tensors)
            _pin_digest(published)
            return tensors
        warnings.warn(
            f"{cached} was cut or changed since it was downloaded; downloading it "
            f"again.",
            stacklevel=2,
        )
    with replacing(cached) as temporary:
        _download(published, temporary)
        tensors = _read_checked(temporary, published, check, digest)
    _pin_digest(published)
    return tensors


def _download(published: Published, target: Path) -> None:
    """Downloads to a file in a folder of its own; a cut download raises an error."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)  # or a silent server would hold us for ever
    try:
        keras.utils.get_file(
            target.name, published.address, cache_dir=target.parent, cache_subdir=""
        )
    except Exception as error:  # Keras raises the bare class
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        raise StorageError(
            f"Cannot download {published.address} ({reason}). Get the file in another "
            f"way and put it at {published.cached}, or {published.otherwise}."
        ) from error
    finally:
        socket.setdefaulttimeout(before)


def _read_checked(file: Path, published: Published, check: Check, digest: str | None):
    """Returns the tensors of a fresh download, or raises an error on its address."""
    address = published.address
    if digest not in (None, found := sha256(file)):
        raise InputError(
            f"{address} is not what it was when first downloaded: its SHA-256 is "
            f"{found}, not {digest}. It was not kept; download again, or "
            f"delete {published.pin} if you trust the new file."
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


def _pinned_digest(published: Published) -> str | None:
    """Returns the digest of the first download, `None` if there was none."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        return str(json.loads(published.pin.read_text())["sha256"])


def _pin_digest(published: Published) -> None:
    if _pinned_digest(published) is None:
        note = {"address": published.address, "sha256": sha256(published.cached)}
        write_text(published.pin, json.dumps(note, indent=2) + "\n")
