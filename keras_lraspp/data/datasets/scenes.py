"""`Scenes`: a data set of rendered street scenes, written as a Cityscapes tree.

Worker processes import `write_scene` from here: no TensorFlow, no Keras.
"""

import hashlib
import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import cityscapes_lookup
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.cityscapes import Cityscapes
from keras_lraspp.data.datasets.custom import check_split_name
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import is_whole, remove_leftovers, replacing
from keras_lraspp.parallel import map_processes
from keras_lraspp.schema import (
    Bounds,
    Index,
    Name,
    check_argument,
    check_call,
    check_value,
    read_json,
)
from keras_lraspp.street_scenes.scene import Scene, draw_scene

_CITIES = {"train": "drawnburg", "val": "inkstadt"}
_Side = Annotated[int, Bounds(64, 8192)]
_Seed = Annotated[int, Bounds(-(2**63), 2**63 - 1)]
_Count = Annotated[int, Bounds(1, 1_000_000)]
_MANIFEST = "scenes.json"
# Raise this when the same seed draws other pixels, so that one tree never mixes both.
_DRAWING = 1


class SceneSettings(NamedTuple):
    """What all scenes of a tree have in common."""

    height: int
    width: int
    seed: int
    drawing: int = _DRAWING  # version of the renderer


class _Finished(NamedTuple):
    """Schema of what `record_finished` counts in the manifest."""

    finished: dict[Name, Index] = {}


class SceneKey(NamedTuple):
    """One scene of a tree: its split and its number within it."""

    split: str
    index: int


class SceneFiles(NamedTuple):
    """The four files of a scene."""

    label_ids: Path
    train_ids: Path
    polygons: Path
    image: Path


def Scenes(  # noqa: N802 (a reader is named as the data set is)
    root: str | Path = "data/scenes",
    split: str = "train",
    *,
    train_scenes: _Count = 400,
    val_scenes: _Count = 50,
    height: _Side = 256,
    width: _Side = 512,
    seed: _Seed = 0,
    progress: bool = True,
) -> Dataset:
    """Lists street scenes drawn by this package, with the 19 classes of Cityscapes.

    Draws what is missing of the split into `root`, as a Cityscapes tree (image,
    labelIds, labelTrainIds and polygons of each scene), and lists it. The scenes
    depend on the arguments only. Scenes of "val" are never those of "train". Drawing
    that was interrupted goes on where it stopped.

    Args:
        root: Folder for the scenes: a new or empty one, or one drawn before with the
            same size and seed.
        split: `"train"` or `"val"`.
        train_scenes: Number of scenes in the split "train".
        val_scenes: Number of scenes in the split "val".
        height: Rows of every picture, at least 64.
        width: Columns of every picture, at least 64.
        seed: Another seed draws other scenes.
        progress: Whether to show a progress bar when drawing takes a while.

    Returns:
        The split, named "scenes"; ignore label 255.

    Raises:
        InputError: If an argument is out of range, or the folder holds anything but
            scenes of this size and seed.
        StorageError: If the folder cannot be written.
    """
    check_call("Scenes", Scenes, locals())
    counts = {"train": train_scenes, "val": val_scenes}
    check_split_name("Scenes", split, counts)
    root, count = Path(root), counts[split]
    draw_scenes(
        root, {split: count}, height=height, width=width, seed=seed, progress=progress
    )
    listed = Cityscapes(root, split, name="scenes")  # perhaps more than asked for
    wanted = {scene_files(root, SceneKey(split, index)).image for index in range(count)}
    return listed.select(
        [k for k, image in enumerate(listed.images) if image in wanted]
    )


def draw_scenes(
    root: str | Path,
    counts: dict[str, int],
    *,
    height: int = 256,
    width: int = 512,
    seed: int = 0,
    progress: bool = True,
) -> int:
    """Draws the scenes that are missing from a tree.

    Args:
        root: Folder of the tree.
        counts: How many scenes each split shall have: `{"train": 400, "val": 50}`.
        height: Rows of every picture.
        width: Columns of every picture.
        seed: Seed of the tree.
        progress: Whether to show a progress bar when drawing takes a while.

    Returns:
        How many scenes were drawn.

    Raises:
        InputError: As `Scenes`.
        StorageError: As `Scenes`.
    """
    root = Path(root)
    _check_arguments(counts, height, width, seed)
    settings = SceneSettings(height, width, seed)
    try:
        claim_folder(root, settings)
        remove_leftovers(root, "*/*/*")
        splits = counts.items()
        missing = [key for split in splits for key in missing_scenes(root, *split)]
        write = partial(write_scene, root, settings)
        labels = {"description": "drawing scenes", "unit": "scenes"}
        map_processes(write, missing, **labels, progress=progress)
        record_finished(root, counts)
    except (InputError, StorageError):
        raise
    except OSError as error:
        raise StorageError(
            f"Scenes cannot be written to {root}: {error}; name another folder."
        ) from error
    return len(missing)


def _check_arguments(counts: dict[str, int], height, width, seed) -> None:
    for name, value in (("height", height), ("width", width)):
        check_argument(f"Scenes.{name}", value, _Side)
    check_argument("Scenes.seed", seed, _Seed)
    for split, count in counts.items():
        check_split_name("Scenes", split, _CITIES)
        check_argument(f"Scenes.{split}_scenes", count, _Count)


def missing_scenes(root: Path, split: str, count: int) -> list[SceneKey]:
    """Lists the scenes of a split that are not there, or not whole."""
    keys = (SceneKey(split, index) for index in range(count))
    return [key for key in keys if not all(map(is_whole, scene_files(root, key)))]


def scene_files(root: Path, key: SceneKey) -> SceneFiles:
    """Paths of a scene's files in the tree."""
    city = _CITIES[key.split]
    name = f"{city}_{key.index:06d}_000019"
    labels = root / "gtFine" / key.split / city
    images = root / "leftImg8bit" / key.split / city
    return SceneFiles(
        labels / f"{name}_gtFine_labelIds.png",
        labels / f"{name}_gtFine_labelTrainIds.png",
        labels / f"{name}_gtFine_polygons.json",
        images / f"{name}_leftImg8bit.png",
    )


def scene_seed(seed: int, key: SceneKey) -> int:
    """Derives the seed of a scene; no two scenes of a tree have the same."""
    text = f"{seed}/{key.split}/{key.index}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def write_scene(root: Path, settings: SceneSettings, key: SceneKey) -> None:
    """Draws one scene and writes its files.

    The image comes last: an image that is there has its labels.

    Raises:
        OSError: If a file cannot be written.
    """
    seed = scene_seed(settings.seed, key)
    scene = draw_scene(seed, settings.height, settings.width)
    files = scene_files(root, key)
    _write_png(files.label_ids, scene.label_ids)
    _write_png(files.train_ids, cityscapes_lookup()[scene.label_ids])
    with replacing(files.polygons, sync=False) as path:
        path.write_text(polygons_json(scene), encoding="utf-8")
    _write_png(files.image, scene.image)


def polygons_json(scene: Scene) -> str:
    """The objects in the form of Cityscapes' `*_gtFine_polygons.json`."""
    height, width = scene.label_ids.shape

    def corner(u: float, v: float) -> list[int]:
        # The pixel in which it lies.
        return [min(int(u), width - 1), min(int(v), height - 1)]

    objects = [
        {"label": label, "polygon": [corner(*point) for point in polygon]}
        for label, polygon in scene.objects
    ]
    return json.dumps({"imgHeight": height, "imgWidth": width, "objects": objects})


def _write_png(path: Path, pixels: np.ndarray) -> None:
    image = Image.fromarray(pixels)
    with replacing(path, sync=False) as temporary:
        image.save(temporary, format="PNG", compress_level=1)


def claim_folder(root: Path, settings: SceneSettings) -> None:
    """Writes the manifest of a new tree, or checks the one that is there.

    Raises:
        InputError: If the folder holds anything else, or scenes with other settings.
        OSError: If the folder cannot be made or written.
    """
    if root.exists() and not root.is_dir():
        raise InputError(f"{root} is a file; name a folder for the scenes.")
    # First what is there, then whose it is: another process may begin in between, and
    # it writes the manifest before anything else.
    names = [path.name for path in root.iterdir()] if root.is_dir() else []
    occupied = not all(name.startswith(".") for name in names)
    if (root / _MANIFEST).exists():
        _check_settings(root, settings, _read_manifest(root))
        return
    if occupied:
        raise InputError(
            f"{root} holds files but no {_MANIFEST}, so they are not scenes that were "
            "drawn here; name an empty or a new folder for the scenes."
        )
    _write_manifest(root, {**settings._asdict(), "finished": {}})


def record_finished(root: Path, counts: dict[str, int]) -> None:
    """Counts finished scenes in the manifest, once all of them are on disk."""
    manifest = _read_manifest(root)
    finished = manifest.get("finished", {})
    grown = {
        split: max(count, finished.get(split, 0)) for split, count in counts.items()
    }
    if finished | grown != finished:
        _write_manifest(root, {**manifest, "finished": finished | grown})


def _write_manifest(root: Path, manifest: dict) -> None:
    with replacing(root / _MANIFEST) as path:
        path.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _read_manifest(root: Path) -> dict:
    path = root / _MANIFEST
    mend = f"delete {root} if its files may go, or name another folder"
    content = read_json(path, dict[Name, Any], mend=mend)
    check_value(content, _Finished, str(path), mend=mend, extra=True)
    return content


def _check_settings(root: Path, settings: SceneSettings, manifest: dict) -> None:
    differences = [
        f"{name} {str(manifest.get(name))[:60]} instead of {wanted}"
        for name, wanted in settings._asdict().items()
        if manifest.get(name) != wanted
    ]
    if differences:
        raise InputError(
            f"The scenes in {root} were drawn with {', '.join(differences)}; use the "
            "same settings, name another folder, or delete this one."
        )
