"""The manifest of a tree of scenes: whose folder it is, and how it was drawn."""

import json
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing

MANIFEST = "scenes.json"

# Raise this when the same seed draws other pixels, so that one tree never mixes both.
DRAWING = 1


class Settings(NamedTuple):
    """What all scenes of a tree have in common.

    Attributes:
        height: Rows of every picture.
        width: Columns of every picture.
        seed: Seed of the tree.
        drawing: Version of the drawing code.
    """

    height: int
    width: int
    seed: int
    drawing: int = DRAWING


def open_tree(root: Path, settings: Settings) -> None:
    """Makes a folder ours before the first scene is drawn, or checks that it is.

    Raises:
        InputError: If the folder holds anything else, or scenes with other settings.
        OSError: If the folder cannot be made or written.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; name a folder for the scenes.")
    # First what is there, then whose it is: another process may begin in between, and
    # it writes the manifest before anything else.
    occupied = root.is_dir() and any(
        not path.name.startswith(".") for path in root.iterdir()
    )
    if (root / MANIFEST).exists():
        _check_settings(root, settings, _read(root))
        return
    if occupied:
        raise InputError(
            f"{root} holds files but no {MANIFEST}, so they are not scenes that were "
            "drawn here; name an empty or a new folder for the scenes."
        )
    _write(root, settings, {})


def close_tree(root: Path, settings: Settings, counts: dict[str, int]) -> None:
    """Counts finished scenes in the manifest, once all of them are on disk."""
    finished = _read(root).get("finished", {})
    grown = {
        split: max(count, finished.get(split, 0)) for split, count in counts.items()
    }
    if finished | grown != finished:
        _write(root, settings, finished | grown)


def _write(root: Path, settings: Settings, finished: dict[str, int]) -> None:
    text = json.dumps({**settings._asdict(), "finished": finished}, indent=1)
    with replacing(root / MANIFEST) as path:
        path.write_text(text + "\n", encoding="utf-8")


def _read(root: Path) -> dict:
    path = root / MANIFEST
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise InputError(
            f"{path} is not the manifest of drawn scenes; delete {root} if its files "
            "may go, or name another folder."
        )
    return found


def _check_settings(root: Path, settings: Settings, found: dict) -> None:
    differences = [
        f"{name} {found.get(name)} instead of {wanted}"
        for name, wanted in settings._asdict().items()
        if found.get(name) != wanted
    ]
    if differences:
        raise InputError(
            f"The scenes in {root} were drawn with {', '.join(differences)}; use the "
            "same settings, name another folder, or delete this one."
        )
