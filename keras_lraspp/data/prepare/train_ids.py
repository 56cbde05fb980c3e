"""Prepare Cityscapes: unpack the official zip files, write labelTrainIds."""

import contextlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.classes import CITYSCAPES, cityscapes_lookup
from keras_lraspp.data.datasets.cityscapes import ANNOTATIONS, LABEL_IDS, TRAIN_IDS
from keras_lraspp.data.prepare.archives import (
    PrepareResult,
    convert_files,
    import_optional,
    unpack_archives,
)
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.files import is_whole, read_regular, remove_leftovers, replacing
from keras_lraspp.images import MAX_PIXELS, decode, open_image

# The other packages that it asks for are those of its viewers.
_INSTALL = "pip install --no-deps cityscapesscripts pyquaternion"
_LARGEST_POLYGONS = 16 << 20  # bytes; an official one has less than one
_HIGHEST_ID = max(row.id for row in CITYSCAPES)
ARCHIVES = (
    "leftImg8bit_trainvaltest.zip",
    "gtFine_trainvaltest.zip",
    "leftImg8bit_trainextra.zip",
    "gtCoarse.zip",
)
_FOLDERS = ("leftImg8bit", *ANNOTATIONS)
_SPLITS = ("train", "val", "train_extra")  # the test split's labels are empty
_SOURCES = ("auto", LABEL_IDS, "polygons")
_ENDS = {LABEL_IDS: f"{LABEL_IDS}.png", "polygons": "polygons.json"}


def prepare_cityscapes(
    root: str | Path,
    *,
    archives: Sequence[str | Path] = (),
    source: str = "auto",
    workers: int | None = None,
    progress: bool = True,
) -> PrepareResult:
    """Unpacks what is missing and writes the labelTrainIds that are missing.

    Whatever is there is kept, and files appear whole: it may be killed and run again.

    Args:
        root: Folder with the zip files as they were downloaded (`ARCHIVES`, those that
            are there), or with `leftImg8bit` and `gtFine`, `gtCoarse`.
        archives: Further zip files, wherever they are.
        source: What the labels are made from: `"labelIds"`, a lookup; `"polygons"`,
            drawn by cityscapesScripts; `"auto"` for labelIds where they are there.
        workers: Number of processes; `None` for one per processor.
        progress: Whether to show bars with the time left.

    Returns:
        How many files were unpacked, labels written, and labels there before.

    Raises:
        InputError: If there are no annotations, or some cannot be used; the others
            are written.
        StorageError: If a file cannot be written or a process dies.
    """
    root = Path(root)
    if source not in _SOURCES:
        raise InputError(f"source is one of {_SOURCES}, not {source!r}; use one.")
    zips = [root / name for name in ARCHIVES if (root / name).is_file()]
    zips += map(Path, archives)
    unpacked = unpack_archives(zips, root, _FOLDERS, workers=workers, progress=progress)
    remove_leftovers(root, "*/*/*")
    jobs = _list_jobs(root, source)
    missing = [job for job in jobs if not is_whole(Path(job[1]))]
    if any(path.endswith(".json") for path, _ in missing):
        _import_rasterizer()
    convert_files(
        write_train_ids,
        missing,
        what="annotations",
        description="writing labelTrainIds",
        unit="labels",
        workers=workers,
        progress=progress,
    )
    return PrepareResult(len(missing), len(jobs) - len(missing), unpacked)


def _list_jobs(root: Path, source: str) -> list[tuple[str, str]]:
    """Lists for each frame the annotation to read and the label to write."""
    kinds = (LABEL_IDS, "polygons") if source == "auto" else (source,)
    jobs: dict[str, str] = {}
    for kind in kinds:
        for annotations in ANNOTATIONS:
            end = f"_{annotations}_{_ENDS[kind]}"
            for split in _SPLITS:
                for path in sorted(root.glob(f"{annotations}/{split}/*/*{end}")):
                    stem = path.name[: -len(_ENDS[kind])]
                    target = path.with_name(f"{stem}{TRAIN_IDS}.png")
                    jobs.setdefault(str(target), str(path))
    if not jobs:
        ends = " or ".join(f"*_{_ENDS[kind]}" for kind in kinds)
        raise InputError(
            f"There are neither {ARCHIVES[1]} nor annotations gtFine/train/*/{ends} in "
            f"{root}; register at https://www.cityscapes-dataset.com and put the zip "
            "files there."
        )
    return [(path, target) for target, path in jobs.items()]


def _import_rasterizer():
    """Imports cityscapesScripts' own drawing of polygons."""
    import_optional("cityscapesscripts.helpers.annotation", _INSTALL)
    return import_optional("cityscapesscripts.preparation.json2labelImg", _INSTALL)


def write_train_ids(job: Sequence[str]) -> str | None:
    """Writes a label from an annotation; says what is wrong with the annotation.

    Args:
        job: Paths of `*_labelIds.png` or `*_polygons.json`, and of the label.
    """
    source, target = map(Path, job)
    read = _from_polygons if source.suffix == ".json" else _from_label_ids
    try:
        label = read(source)
    except InputError as error:
        return str(error)
    with replacing(target, sync=False) as path:
        label.save(path, format="PNG")
    return None


def _from_label_ids(path: Path) -> Image.Image:
    with open_image(path) as image:
        decode(path, image)
        if image.mode != "L":
            raise InputError(
                f"{path} has the pixel format {image.mode}, not 8-bit grey; unpack it "
                "again."
            )
        ids = np.asarray(image)
    if ids.max(initial=0) > _HIGHEST_ID:
        raise InputError(
            f"{path} holds {abbreviate(np.unique(ids[ids > _HIGHEST_ID]))}, which are "
            f"no labelIds (0..{_HIGHEST_ID}); unpack it again."
        )
    return Image.fromarray(cityscapes_lookup()[ids])


def _from_polygons(path: Path) -> Image.Image:
    scripts = _import_rasterizer()
    try:
        text = read_regular(path, _LARGEST_POLYGONS).decode()
        content = json.loads(text)
        height, width = content["imgHeight"], content["imgWidth"]
        if not 0 < height * width <= MAX_PIXELS:
            raise ValueError(f"{width}x{height} pixels")
        annotation = scripts.Annotation()
        annotation.fromJsonText(text)
        # It prints what it does not know, and leaves with sys.exit.
        with contextlib.redirect_stdout(io.StringIO()):
            return scripts.createLabelImage(annotation, "trainIds")
    except (Exception, SystemExit) as error:  # whatever a broken file leads to
        reason = "a label that is unknown" if isinstance(error, SystemExit) else error
        raise InputError(
            f"{path} is no annotation of Cityscapes ({type(error).__name__}: {reason})"
            "; unpack it again."
        ) from error
