"""Download of published weights, checked and cached with their SHA-256."""

import http.client
import json
import threading
import urllib.error
import urllib.request
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, NamedTuple
from urllib.parse import urljoin, urlsplit

import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import replacing, sha256, write_text
from keras_lraspp.progress import ProgressBar
from keras_lraspp.schema import Bounds, read_json
from keras_lraspp.weights.published import Published
from keras_lraspp.weights.reading import read_tensors
from keras_lraspp.weights.tensors import LARGEST_FILE

_TIMEOUT = 60  # seconds without an answer or a byte
_DEADLINE = 1800  # seconds in all: 22 MB at 100 kbit/s
_BLOCK = 1 << 16
_MOST_REDIRECTS = 5

Check = Callable[[dict[str, np.ndarray]], None]  # raises an error for wrong tensors


def fetch(published: Published, check: Check) -> dict[str, np.ndarray]:
    """Returns the tensors of a published file, from the cache if it is there.

    The first download is checked for the digits of its SHA-256 that the file's name
    has, if any, and for what its tensors must be, and its SHA-256 is kept beside it, in
    a `.json`; from then on the file, and any later download of it, must have that
    digest.

    Raises:
        InputError: If the file is not what it should be. A download is then not kept.
        StorageError: If it cannot be downloaded, read or written.
    """
    cached, digest = published.cached, _pinned_digest(published)
    if cached.is_file():
        found = sha256(cached)
        if digest is None and not found.startswith(published.digits):
            raise InputError(
                f"{cached} is not the published file: its SHA-256 is {found}, and by "
                f"the file's name it begins with {published.digits}; delete it."
            )
        if digest in (None, found):
            tensors = read_tensors(cached)
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
    """Downloads to a file, of a bounded size and in a bounded time.

    In a thread of its own, which is left alone at the deadline: the timeout of a socket
    begins again with each byte, and there is none for finding the server's address.
    """
    failures, stop = [], threading.Event()
    with target.open("wb") as file:
        arguments = published.address, file, failures, stop
        thread = threading.Thread(target=_work, args=arguments, daemon=True)
        thread.start()
        try:
            thread.join(_DEADLINE)
        finally:  # also at Ctrl-C
            stop.set()
    if thread.is_alive():
        failures = [_DownloadError(f"it was not done after {_DEADLINE} seconds")]
    for error in failures:
        if not isinstance(error, _DownloadError):
            raise error
        text = "".join(c if c.isprintable() else " " for c in str(error))
        reason = " ".join(text.split())[:300]
        raise StorageError(
            f"Cannot download {published.address} ({reason}). Get the file in another "
            f"way and put it at {published.cached}, or {published.otherwise}."
        ) from error


class _DownloadError(Exception):
    """Says what went wrong on the way."""


def _work(address: str, file: BinaryIO, failures: list, stop: threading.Event) -> None:
    try:
        for block in _receive(address):
            file.write(block)
            if stop.is_set():
                return
        file.flush()
    except BaseException as error:
        failures.append(error)


def _receive(address: str) -> Iterator[bytes]:
    """Yields what is at an address; raises `_DownloadError`."""
    try:
        with _open_address(address) as answer:
            yield from _blocks(answer)
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise _DownloadError(str(reason) or type(error).__name__) from error


def _blocks(answer: http.client.HTTPResponse) -> Iterator[bytes]:
    expected = answer.length  # by its header, which may be missing or lie
    if expected is not None and expected > LARGEST_FILE:
        raise _DownloadError(_too_large(f"{expected} bytes"))
    total, count = None if expected is None else expected / 1e6, 0
    with ProgressBar("downloading", total, "MB") as progress:
        while block := answer.read(_BLOCK):
            count += len(block)
            if count > LARGEST_FILE:
                raise _DownloadError(_too_large("more"))
            progress.update(len(block) / 1e6)
            yield block
    if expected is not None and count < expected:
        raise _DownloadError(f"got only {count} of {expected} bytes")


def _too_large(size: str) -> str:
    return f"at most {LARGEST_FILE >> 20} MiB are expected, and it has {size}"


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to us; urllib would read a whole answer before it follows."""

    def redirect_request(self, *arguments):
        return None


def _open_address(address: str) -> http.client.HTTPResponse:
    """Opens an address; redirects do not leave HTTPS, nor the host where it is HTTP."""
    opener, first = urllib.request.build_opener(_NoRedirects), urlsplit(address)
    if first.scheme not in ("http", "https"):
        raise _DownloadError("it is no address of http:// or https://")
    for _ in range(_MOST_REDIRECTS + 1):
        # What is packed for the way would be unpacked by nobody; some servers refuse
        # urllib by its own name.
        headers = {"Accept-Encoding": "identity", "User-Agent": "keras-lraspp"}
        request = urllib.request.Request(address, headers=headers)
        try:
            return opener.open(request, timeout=_TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            location = error.headers.get("Location")
            if error.code not in (301, 302, 303, 307, 308) or not location:
                raise _DownloadError(f"{error.code} {error.reason}") from error
        address = urljoin(address, location)
        target = urlsplit(address)
        if target.scheme != "https" and target[:2] != first[:2]:
            raise _DownloadError(f"it is redirected to {address[:200]}")
    raise _DownloadError(f"it is redirected more than {_MOST_REDIRECTS} times")


def _read_checked(file: Path, published: Published, check: Check, digest: str | None):
    """Returns the tensors of a fresh download, or raises an error on its address."""
    address, found = published.address, sha256(file)
    if digest not in (None, found):
        raise InputError(
            f"{address} is not what it was when first downloaded: its SHA-256 is "
            f"{found}, not {digest}. It was not kept; download again, or "
            f"delete {published.pin} if you trust the new file."
        )
    if not found.startswith(published.digits):
        raise InputError(
            f"{address} did not give the published weights and was not kept: its "
            f"SHA-256 is {found}, and by its name it begins with {published.digits}. "
            f"Download again; if you trust the file, get it yourself and name it by "
            f"its path."
        )
    try:
        tensors = read_tensors(file)
        check(tensors)
    except InputError as error:
        reason = str(error).replace(str(file), "the file")
        raise InputError(
            f"{address} did not give the published weights and was not kept: {reason}"
        ) from error
    return tensors


def _pinned_digest(published: Published) -> str | None:
    """Returns the digest of the first download, `None` if there was none."""
    if not published.pin.exists():
        return None
    mend = "delete it if you trust the file beside it, or its address"
    return read_json(published.pin, _Pin, mend=mend, extra=True).sha256


class _Pin(NamedTuple):
    """What is read again of a first download."""

    sha256: Annotated[str, Bounds(64, 64)]


def _pin_digest(published: Published) -> None:
    if _pinned_digest(published) is None:
        note = {"address": published.address, "sha256": sha256(published.cached)}
        write_text(published.pin, json.dumps(note, indent=2) + "\n")
