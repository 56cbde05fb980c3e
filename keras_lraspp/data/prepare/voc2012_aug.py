"""Prepare augmented PASCAL VOC 2012: masks of SBD as PNG files, and their list."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data.datasets.voc2012 import (
    ADDED_MASKS,
    LISTS,
    read_voc_list,
    voc_tree,
)
from keras_lraspp.data.prepare.archives import (
    PrepareResult,
    convert_files,
    import_optional,
)
from keras_lraspp.errors import InputError
from keras_lraspp.files import is_whole, open_regular, remove_leftovers, replacing
from keras_lraspp.images import open_image

_INSTALL = "pip install scipy"


def prepare_voc(
    root: str | Path,
    sbd: str | Path,
    *,
    workers: int | None = None,
    progress: bool = True,
) -> tuple[PrepareResult, int]:
    """Converts the masks of SBD that VOC 2012's own train and val do not have.

    Writes `SegmentationClassAug/*.png`, palette images, and when all of them are there
    the lists `aug.txt` (what SBD adds) and `trainaug.txt` (train.txt, then aug.txt).
    What is there is kept: it may be killed and run again.

    Args:
        root: The folder `VOC2012`, or one that holds it.
        sbd: Folder of SBD, `benchmark_RELEASE` or the `dataset` in it, which has
            `cls/*.mat`.
        workers: Number of processes; `None` for one per processor.
        progress: Whether to show a bar with the time left.

    Returns:
        How many masks were written and were there before, and how many images the
        augmented training split has.

    Raises:
        InputError: If a folder is not what it should be, SciPy is not installed, or
            masks cannot be used; the others are written.
        StorageError: If a file cannot be written or a process dies.
    """
    import_optional("scipy.io", _INSTALL)
    tree, masks = voc_tree(Path(root)), _find_masks(Path(sbd))
    train, val = (read_voc_list(tree, f"{split}.txt") for split in ("train", "val"))
    added = sorted({path.stem for path in masks.glob("*.mat")} - {*train, *val})
    lists = {"aug.txt": added, "trainaug.txt": train + added}
    for name, names in lists.items():
        _check_list(tree, name, names)
    remove_leftovers(tree, ADDED_MASKS)
    targets = [tree / ADDED_MASKS / f"{name}.png" for name in added]
    jobs = [
        (masks / f"{path.stem}.mat", path) for path in targets if not is_whole(path)
    ]
    convert_files(
        partial(_write_mask, tree / "JPEGImages"),
        jobs,
        what="masks of SBD",
        description="converting masks",
        unit="masks",
        workers=workers,
        progress=progress,
    )
    for name, names in lists.items():
        with replacing(tree / LISTS / name, sync=False) as path:
            path.write_text("\n".join(names) + "\n")
    result = PrepareResult(len(jobs), len(added) - len(jobs))
    return result, len(train) + len(added)


def _write_mask(images: Path, job: tuple[Path, Path]) -> str | None:
    """Converts a mask, from a `.mat` file to a PNG; says what is wrong with it."""
    source, target = job
    image_path = images / f"{target.stem}.jpg"
    try:
        mask = _read_mask(source)
        with open_image(image_path) as image:
            if mask.shape != (image.height, image.width):
                return f"{source} has another size than {image_path}."
    except InputError as error:
        return str(error)
    picture = Image.fromarray(mask)
    picture.putpalette(np.array(CLASS_SETS["voc2012"].palette, np.uint8).tobytes())
    with replacing(target, sync=False) as path:
        picture.save(path, format="PNG")
    return None


def _read_mask(path: Path) -> np.ndarray:
    try:
        with open_regular(path) as file:
            found = import_optional("scipy.io", _INSTALL).loadmat(
                file, variable_names=["GTcls"]
            )
        mask = np.asarray(found["GTcls"]["Segmentation"][0, 0])
    except Exception as error:  # which one depends on the damage
        raise InputError(
            f"{path} is no mask of SBD ({type(error).__name__}: {error}); unpack it "
            "again."
        ) from error
    num_classes = len(CLASS_SETS["voc2012"].names)
    if mask.ndim != 2 or mask.min(initial=0) < 0 or mask.max(initial=0) >= num_classes:
        raise InputError(
            f"{path} is no mask of {num_classes} classes; unpack it again."
        )
    return mask.astype(np.uint8)


def _find_masks(sbd: Path) -> Path:
    for folder in (sbd, sbd / "dataset", sbd / "benchmark_RELEASE" / "dataset"):
        if next((folder / "cls").glob("*.mat"), None):
            return folder / "cls"
    raise InputError(
        f"No masks match {sbd}/cls/*.mat; unpack SBD's benchmark.tgz and name its "
        "folder benchmark_RELEASE with --sbd."
    )


def _check_list(tree: Path, file: str, names: Sequence[str]) -> None:
    path = tree / LISTS / file
    if path.is_file() and {*read_voc_list(tree, file)} != {*names}:
        raise InputError(
            f"{path} is there and lists other images than SBD and train.txt do; move "
            "it away, or use it as it is."
        )
