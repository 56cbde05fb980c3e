"""Cityscapes, as the official zip files unpack, and data sets laid out like it."""

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_lraspp.classes import CLASS_SETS, cityscapes_lookup
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.custom import check_split_name, find_split
from keras_lraspp.data.pairing import keep_labelled, warn_without_image
from keras_lraspp.errors import InputError
from keras_lraspp.schema import check_call

_SPLITS = ("train", "val", "test", "train_extra")
ANNOTATIONS = ("gtFine", "gtCoarse")
_IMAGES = "leftImg8bit"
_IMAGE_END = "_leftImg8bit.png"
TRAIN_IDS, LABEL_IDS = "labelTrainIds", "labelIds"


def Cityscapes(  # named as the data set is
    root: str | Path = "data/cityscapes",
    split: str = "train",
    *,
    annotations: str | None = None,
    train_splits: Sequence[str] = ("train",),
    missing_label: str = "fail",
    orientation: str = "warn",
    split_names: Mapping[str, str] | None = None,
    name: str = "cityscapes",
) -> Dataset:
    """Lists a split of Cityscapes, or of anything laid out like it.

    Images are `root/leftImg8bit/<split>/<city>/*_leftImg8bit.png`, labels
    `root/gtFine/<split>/<city>/*_gtFine_labelTrainIds.png`. Where not every image has
    its labelTrainIds, the labelIds (which the official zip holds) are read instead
    and mapped when they are read. The 19 classes are those of the benchmark, the ignore
    label is 255. The test split has no labels.

    Args:
        root: The folder with `leftImg8bit` and `gtFine`.
        split: `"train"`, `"val"`, `"test"` or `"train_extra"`.
        annotations: `"gtFine"` or `"gtCoarse"`; `None` for gtFine, and gtCoarse where
            there is nothing else (train_extra).
        train_splits: Folders that the split "train" is made of: `("train_extra",)` for
            a training on the 19998 coarse images, or both. Validation stays as it is.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        orientation: As in `FileList`. The masks belong to the pixels as stored.
        split_names: Names of the splits' folders where they are others, as
            `{"val": "valid"}`.
        name: Name of the data set.

    Returns:
        The data set, in the order of the file names.

    Raises:
        InputError: If there are no images, or images without label.
    """
    check_call("Cityscapes", Cityscapes, locals())
    root = cityscapes_tree(Path(root))
    folders = tuple(train_splits) if split == "train" else (split,)
    for folder in folders or ("",):
        check_split_name(name, folder, _SPLITS)
    if annotations not in (None, *ANNOTATIONS):
        raise InputError(
            f"{name} has the annotations {ANNOTATIONS}, not {annotations!r}; use one."
        )
    found = [
        (image, _annotations(folder, annotations))
        for folder in folders
        for image in _find_images(root, folder, split_names)
    ]
    images = tuple(image for image, _ in found)
    labels: tuple[Path, ...] = ()
    lookup = None
    if split != "test":
        images, labels, kind = _find_labels(root, found, missing_label)
        if kind == LABEL_IDS:
            lookup = tuple(cityscapes_lookup().tolist())
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        classes=CLASS_SETS["cityscapes"],
        ignore_label=255,
        label_lookup=lookup,
        orientation=orientation,
    )


def cityscapes_tree(root: Path) -> Path:
    """The folder with `leftImg8bit`: `root`, or the only one in it that has that."""
    inside = [path.parent for path in root.glob(f"*/{_IMAGES}") if path.is_dir()]
    return inside[0] if not (root / _IMAGES).is_dir() and len(inside) == 1 else root


def _find_images(
    root: Path, split: str, split_names: Mapping[str, str] | None
) -> list[Path]:
    pattern = f"{_IMAGES}/{{split}}"
    folder = find_split("Cityscapes", root, pattern, split, split_names)
    images = sorted(folder.glob(f"*/*{_IMAGE_END}"))
    if not images:
        raise InputError(_how_to_get(folder / f"*/*{_IMAGE_END}", root, split))
    return images


def _find_labels(root: Path, found: Sequence[tuple[Path, str]], missing_label: str):
    """Images and labels that are there, and the kind of the labels.

    Of each image is given in which folder its labels are.
    """
    images = [image for image, _ in found]
    folders = {(annotations, image.parts[-3]) for image, annotations in found}
    patterns = ["/".join([*row, "*", "*_gt*_label*Ids.png"]) for row in folders]
    existing = {label for pattern in patterns for label in root.glob(pattern)}
    labels = {
        kind: [_label_path(root, *row, kind) for row in found]
        for kind in (TRAIN_IDS, LABEL_IDS)
    }
    # Where as many images have one kind as the other, the first.
    kind = max(labels, key=lambda kind: len(existing.intersection(labels[kind])))
    kept = keep_labelled(
        images, labels[kind], exists=existing.__contains__, missing_label=missing_label
    )
    same_kind = {label for label in existing if label.name.endswith(f"_{kind}.png")}
    warn_without_image(same_kind, kept[1])
    return *kept, kind


def _label_path(root: Path, image: Path, folder: str, kind: str) -> Path:
    split, city = image.parts[-3:-1]
    name = f"{image.name.removesuffix(_IMAGE_END)}_{folder}_{kind}.png"
    return root / folder / split / city / name


def _annotations(split: str, wanted: str | None) -> str:
    """train_extra has coarse annotations only."""
    return "gtCoarse" if split == "train_extra" else wanted or "gtFine"


def _how_to_get(pattern: Path, root: Path, folder: str) -> str:
    zips = "leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip"
    if folder == "train_extra":
        zips = "leftImg8bit_trainextra.zip and gtCoarse.zip"
    return (
        f"No images match {pattern}; register at https://www.cityscapes-dataset.com, "
        f"put {zips} into {root} and run `keras-lraspp data prepare cityscapes "
        f"--data_root={shlex.quote(str(root))}`, or name another --data_root "
        "(--gin_file=quickstart.gin needs no data)."
    )
