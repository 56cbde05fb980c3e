"""Hugging Face Hub: preset folders by `hf://` addresses, downloaded and uploaded."""

import os
import re
import time
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple
from urllib.parse import unquote

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import read_regular
from keras_lraspp.weights.keras_archive import (
    CARD_MEMBER,
    CONFIG_MEMBER,
    LARGEST_WEIGHTS,
    METADATA_MEMBER,
    WEIGHTS_MEMBER,
    KerasArchive,
    read_keras_folder,
)

HUB_PREFIX = "hf://"
MODEL_CARD = "README.md"
# What a card says in place of the repository's address, before that is known.
UNKNOWN_ADDRESS = "hf://USER/NAME"

_FILES = (CONFIG_MEMBER, METADATA_MEMBER, CARD_MEMBER, WEIGHTS_MEMBER)
_DEADLINE = 1800  # seconds in all
_LARGEST_CARD = 1 << 20
_NAME = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_ADDRESS = re.compile(
    rf"hf://(?P<repository>{_NAME}/{_NAME})(?:@(?P<revision>[\w.%-]{{1,200}}))?"
    r"(?P<folder>(?:/[\w-][\w.-]{0,99}){0,9})/?",
    re.ASCII,
)


class HubAddress(NamedTuple):
    """A folder of a model repository on the Hugging Face Hub."""

    repository: str  # "user/name"
    revision: str | None = None  # branch, tag or commit; `None` for the main branch
    folder: str = ""  # in the repository; "" for its top


def is_preset_folder(preset: object) -> bool:
    """Whether it is an `hf://` address, or a folder with a `config.json`."""
    if not isinstance(preset, (str, os.PathLike)):
        return False
    if str(preset).startswith(HUB_PREFIX):
        return True
    return os.path.isfile(os.path.join(os.path.expanduser(preset), CONFIG_MEMBER))


def read_preset_folder(preset: str | Path) -> KerasArchive:
    """Reads a preset folder, on the disk or on the Hugging Face Hub, and checks it.

    Args:
        preset: A folder with `config.json` and `model.weights.h5`, as Keras,
            keras-hub and `LRASPP.save_to_preset` write them; or the address of one,
            see `parse_hub_address`, which is downloaded to the Hub's own cache and read
            from there when there is no network.

    Raises:
        InputError: If there is no such folder, it is damaged or too large, or
            `huggingface_hub` is missing.
        StorageError: If it cannot be downloaded.
    """
    if not str(preset).startswith(HUB_PREFIX):
        return read_keras_folder(Path(os.path.expanduser(preset)))
    address = parse_hub_address(str(preset))
    folder = _download(str(preset), address) / address.folder
    for name in (CONFIG_MEMBER, WEIGHTS_MEMBER):
        if not (folder / name).is_file():
            raise InputError(
                f"{preset} has no {name}: it is no repository of a Keras model; give "
                f"one that LRASPP.save_to_preset and upload_preset made."
            )
    try:
        return read_keras_folder(folder)
    except InputError as error:  # in words of the address
        raise InputError(str(error).replace(str(folder), str(preset))) from error


def parse_hub_address(address: str) -> HubAddress:
    """Takes `hf://user/name[@revision][/folder]` apart.

    The revision is a branch, tag or commit; a slash in it is written as `%2F`.

    Raises:
        InputError: If it is written in another way.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None:
        raise InputError(
            f"{address[:200]!r} is no address of a model on the Hugging Face Hub; "
            f"write hf://user/name, or hf://user/name@revision/folder."
        )
    revision = found["revision"] and unquote(found["revision"])
    if revision and ".." in revision:
        raise InputError(f"{address!r} names no revision; give a branch or a commit.")
    return HubAddress(found["repository"], revision, found["folder"].strip("/"))


def upload_folder(uri: str, folder: Path, message: str) -> str:
    """Uploads the files of a preset folder in one commit; returns the address.

    The repository is made if it is not there. A model card that it has is kept.

    Args:
        uri: `hf://user/name`; the name alone for one's own account.
        folder: With the files that `LRASPP.save_to_preset` writes.
        message: Title of the commit.

    Raises:
        InputError: For another address, or if `huggingface_hub` is missing.
        StorageError: If it cannot be uploaded.
    """
    name = uri.removeprefix(HUB_PREFIX)
    if not uri.startswith(HUB_PREFIX) or not re.fullmatch(f"{_NAME}(/{_NAME})?", name):
        raise InputError(
            f"{uri[:200]!r} names no repository to upload to; write hf://user/name."
        )
    hub = _import_hub(uri)
    try:
        api = hub.HfApi(library_name="keras_lraspp")
        repository = api.create_repo(name, exist_ok=True).repo_id
        address = f"{HUB_PREFIX}{repository}"
        contents = {name: folder / name for name in _FILES if (folder / name).is_file()}
        card = folder / MODEL_CARD
        if card.is_file() and not api.file_exists(repository, MODEL_CARD):
            text = read_regular(card, _LARGEST_CARD)
            contents[MODEL_CARD] = text.replace(
                UNKNOWN_ADDRESS.encode(), address.encode()
            )
        operations = [
            hub.CommitOperationAdd(path_in_repo=name, path_or_fileobj=content)
            for name, content in contents.items()
        ]
        api.create_commit(repository, operations, commit_message=message)
    except (InputError, StorageError):
        raise
    except Exception as error:
        raise StorageError(
            f"Cannot upload {folder} to {uri} ({_reason(error)}); log in with `hf auth "
            f"login`, and look whether you may write there."
        ) from error
    return address


def _import_hub(address: str) -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise InputError(
            f"{address} is on the Hugging Face Hub, which needs the package "
            f"huggingface_hub; install it with pip install huggingface_hub."
        ) from error
    return huggingface_hub


def _download(address: str, parts: HubAddress) -> Path:
    """Downloads what is missing in the cache; returns the folder of the repository."""
    hub = _import_hub(address)
    what = {
        "repo_id": parts.repository,
        "revision": parts.revision,
        "allow_patterns": [f"{parts.folder}/{name}".lstrip("/") for name in _FILES],
        "library_name": "keras_lraspp",
    }
    try:
        planned = hub.snapshot_download(**what, dry_run=True)
    except Exception:  # without a network the cache is asked; else it fails again
        planned = []
    _check_sizes(address, {file.filename: file.file_size for file in planned})
    try:
        return Path(hub.snapshot_download(**what, tqdm_class=_limited_bar(address)))
    except InputError:
        raise
    except Exception as error:
        raise StorageError(
            f"Cannot download {address} ({_reason(error)}); check the name, your "
            f"network and, if it is private, `hf auth login`."
        ) from error


def _check_sizes(address: str, sizes: dict[str, int]) -> None:
    for name, size in sizes.items():
        if size > LARGEST_WEIGHTS:
            raise InputError(
                f"{address} is refused: {name} has {size} bytes, and at most "
                f"{LARGEST_WEIGHTS} are expected; give the repository of an LRASPP."
            )


def _limited_bar(address: str) -> type:
    """Makes a progress bar that ends a download without end by an error."""
    from huggingface_hub.utils import tqdm

    ends = time.monotonic() + _DEADLINE

    class LimitedBar(tqdm):
        def __init__(self, *arguments: Any, **options: Any):
            # None: only in a terminal.
            options["disable"] = options.get("disable") or None
            super().__init__(*arguments, **options)
            self.received = 0

        def update(self, n: float | None = 1) -> bool | None:
            self.received += n or 0
            _check_sizes(address, {"what comes": int(self.received)})
            if time.monotonic() > ends:
                raise StorageError(
                    f"Cannot download {address}: it was not done after {_DEADLINE} "
                    f"seconds; try again."
                )
            return super().update(n)

    return LimitedBar


def _reason(error: Exception) -> str:
    """Returns the first sentence of an error of the Hub, without its addresses."""
    text = next(filter(None, map(str.strip, str(error).splitlines())), "")
    text = "".join(c for c in text if c.isprintable())
    return f"{type(error).__name__}: {text[:300]}".rstrip(": .")
