"""Scenes on disk, in the Cityscapes tree."""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import cityscapes_lookup
from keras_lraspp.data.scenes.manifest import Settings
from keras_lraspp.files import is_whole, write_whole
from keras_lraspp.street_scenes.scene import Scene, draw_scene

CITIES = {"train": "drawnburg", "val": "inkstadt"}


class Job(NamedTuple):
    """One scene to draw: its split and its number within it."""

    split: str
    index: int


class SceneFiles(NamedTuple):
    """The four files of a scene."""

    label_ids: Path
    train_ids: Path
    polygons: Path
    image: Path


def scene_files(root: Path, job: Job) -> SceneFiles:
    """Where a scene lies in the tree."""
    city = CITIES[job.split]
    name = f"{city}_{job.index:06d}_000019"
    labels = root / "gtFine" / job.split / city
    images = root / "leftImg8bit" / job.split / city
    return SceneFiles(
        labels / f"{name}_gtFine_labelIds.png",
        labels / f"{name}_gtFine_labelTrainIds.png",
        labels / f"{name}_gtFine_polygons.json",
        images / f"{name}_leftImg8bit.png",
    )


def scene_seed(seed: int, job: Job) -> int:
    """The seed of one scene; no two scenes of a tree have the same."""
    key = f"{seed}/{job.split}/{job.index}".encode()
    return int.from_bytes(hashlib.sha256(key).digest()[:8], "big")


def missing_jobs(root: Path, split: str, count: int) -> list[Job]:
    """The scenes of a split that are not there, or not whole."""
    jobs = (Job(split, index) for index in range(count))
    return [job for job in jobs if not all(map(is_whole, scene_files(root, job)))]


def write_scene(root: Path, settings: Settings, job: Job) -> None:
    """Draws one scene and writes its files.

    The image comes last: an image that is there has its labels.

    Raises:
        OSError: If a file cannot be written.
    """
    seed = scene_seed(settings.seed, job)
    scene = draw_scene(seed, settings.height, settings.width)
    files = scene_files(root, job)
    _write_png(files.label_ids, scene.label_ids)
    _write_png(files.train_ids, cityscapes_lookup()[scene.label_ids])
    text = polygons_json(scene)
    write_whole(files.polygons, lambda path: path.write_text(text, encoding="utf-8"))
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
    write_whole(path, lambda name: image.save(name, format="PNG", compress_level=1))
