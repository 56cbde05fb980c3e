"""ADE20K, as the MIT Scene Parsing Benchmark gives it out."""

from pathlib import Path

from keras_lraspp.classes import CLASS_SETS, ade20k_lookup
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.pairing import pair_folders
from keras_lraspp.errors import InputError

FOLDERS = {"train": "training", "val": "validation", "test": "testing"}
ARCHIVE = "http://data.csail.mit.edu/places/ADEchallenge/ADEChallengeData2016.zip"


def ADE20K(  # named as the data set is
    root: str | Path = "data/ade20k",
    split: str = "train",
    *,
    missing_label: str = "fail",
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
        name: Name of the data set.

    Returns:
        The data set, in the order of the file names; ignore label 255.

    Raises:
        InputError: If there are no images, or images without label.

    Reference:
        Zhou et al., "Scene Parsing through ADE20K Dataset", CVPR 2017.
    """
    if split not in FOLDERS:
        raise InputError(f"{name} has the splits {tuple(FOLDERS)}, not {split!r}.")
    root = Path(root)
    inner = root / "ADEChallengeData2016"
    tree = inner if inner.is_dir() else root
    folder = tree / "images" / FOLDERS[split]
    if not folder.is_dir():
        raise InputError(
            f"No images match {folder}/*.jpg; unpack {ARCHIVE} there, or name another "
            "folder with --data_root (--gin_file=quickstart.gin needs no data)."
        )
    images, labels = pair_folders(
        folder,
        None if split == "test" else tree / "annotations" / FOLDERS[split],
        missing_label=missing_label,
    )
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        classes=CLASS_SETS["ade20k"],
        ignore_label=255,
        label_lookup=tuple(ade20k_lookup().tolist()),
    )
