"""`Scenes`: a data set of street scenes that the package draws itself."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.scenes.manifest import Settings, close_tree, open_tree
from keras_lraspp.data.scenes.tree import (
    CITIES,
    Job,
    missing_jobs,
    scene_files,
    write_scene,
)
from keras_lraspp.data.sets.cityscapes import Cityscapes
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import remove_leftovers
from keras_lraspp.parallel import map_processes

SMALLEST_SIDE = 64


def Scenes(  # noqa: N802 (a reader is named as the data set is)
    root: str | Path = "data/scenes",
    split: str = "train",
    *,
    train_scenes: int = 400,
    val_scenes: int = 50,
    height: int = 256,
    width: int = 512,
    seed: int = 0,
    progress: bool = True,
) -> Dataset:
    """Street scenes drawn by this package, with the 19 classes of Cityscapes.

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
    counts = {"train": train_scenes, "val": val_scenes}
    if split not in counts:
        raise InputError(f"Scenes has the splits {tuple(counts)}, not {split!r}.")
    root, count = Path(root), counts[split]
    draw_scenes(
        root, {split: count}, height=height, width=width, seed=seed, progress=progress
    )
    listed = Cityscapes(root, split, name="scenes")
    # A tree may hold more scenes than were asked for.
    wanted = {scene_files(root, Job(split, index)).image for index in range(count)}
    kept = [k for k, image in enumerate(listed.images) if image in wanted]
    return replace(
        listed,
        images=tuple(listed.images[k] for k in kept),
        labels=tuple(listed.labels[k] for k in kept),
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
    settings = Settings(height, width, seed)
    try:
        open_tree(root, settings)
        remove_leftovers(root, "*/*/*")
        jobs = [job for item in counts.items() for job in missing_jobs(root, *item)]
        map_processes(
            partial(write_scene, root, settings),
            jobs,
            description="drawing scenes",
            unit="scene",
            progress=progress,
        )
        close_tree(root, settings, counts)
    except (InputError, StorageError):
        raise
    except OSError as error:
        raise StorageError(
            f"Scenes cannot be written to {root}: {error}; name another folder."
        ) from error
    return len(jobs)


def _check_arguments(counts: dict[str, int], height, width, seed) -> None:
    sizes = {"height": height, "width": width}
    for name, value in sizes.items():
        if not _is_integer(value) or value < SMALLEST_SIDE:
            raise InputError(
                f"{name} of Scenes is {value!r}; give {SMALLEST_SIDE} pixels or more."
            )
    if not _is_integer(seed):
        raise InputError(f"seed of Scenes is {seed!r}; give an integer.")
    for split, count in counts.items():
        if split not in CITIES:
            raise InputError(f"Scenes has the splits {tuple(CITIES)}, not {split!r}.")
        if not _is_integer(count) or count < 1:
            raise InputError(f"{split}_scenes is {count!r}; give at least 1 scene.")


def _is_integer(value) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
