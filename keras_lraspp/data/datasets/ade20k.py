"""ADE20K: the 150 classes of the MIT Scene Parsing Benchmark."""

from collections.abc import Mapping
from pathlib import Path

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.custom import (
    FolderPair,
    check_split_name,
    find_split,
)
from keras_lraspp.errors import InputError
from keras_lraspp.schema import check_call

_FOLDERS = {"train": "training", "val": "validation", "test": "testing"}
_ARCHIVE = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"


def ADE20K(  # named as the data set is
    root: str | Path = "data/ade20k",
    split: str = "train",
    *,
    missing_label: str = "fail",
    orientation: str = "warn",
    split_names: Mapping[str, str] | None = None,
    name: str = "ade20k",
) -> Dataset:
    """Lists a split of ADEChallengeData2016: 150 classes, 20210 and 2000 images.

    Images are `root/images/training/*.jpg`, labels `root/annotations/training/*.png`
    (`validation` for "val"). Annotations 1..150 become the classes 0..149, 0 is
    ignored.

    Args:
        root: The folder `ADEChallengeData2016`, or the one that holds it.
        split: `"train"`, `"val"`, or `"test"`, which has no labels.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        orientation: As in `FileList`. The masks belong to the pixels as stored.
        split_names: Names of the splits' folders where they are others, as
            `{"val": "valid"}`.
        name: Name of the data set.

    Returns:
        The data set, in the order of the file names; ignore label 255.

    Raises:
        InputError: If there are no images, or images without label.

    Reference:
        Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017.
    """
    check_call("ADE20K", ADE20K, locals())
    check_split_name(name, split, _FOLDERS)
    root, names = Path(root), _FOLDERS | dict(split_names or {})
    tree = "ADEChallengeData2016/" if (root / "ADEChallengeData2016").is_dir() else ""
    folder = find_split("ADE20K", root, f"{tree}images/{{split}}", split, names)
    if not folder.is_dir():
        raise InputError(
            f"No images match {folder}/*.jpg; unpack {_ARCHIVE} there, or name "
            "another folder with --data_root (--gin_file=quickstart.gin needs no data)."
        )
    return FolderPair(
        root,
        split,
        images=f"{tree}images/{{split}}",
        labels=None if split == "test" else f"{tree}annotations/{{split}}",
        split_names=names,
        classes="ade20k",
        label_lookup="ade20k",
        orientation=orientation,
        missing_label=missing_label,
        name=name,
    )
