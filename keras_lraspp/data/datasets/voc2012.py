"""PASCAL VOC 2012 segmentation, with or without the masks that SBD adds."""

import shlex
from collections.abc import Mapping
from pathlib import Path

from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.custom import check_split_name, find_split
from keras_lraspp.data.pairing import keep_labelled, read_names
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.schema import check_call

_SPLITS = ("train", "val", "trainval", "test")
LISTS = "ImageSets/Segmentation"
_MASKS, ADDED_MASKS = "SegmentationClass", "SegmentationClassAug"
_ARCHIVE = "http://host.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar"


def VOC2012(  # named as the data set is
    root: str | Path = "data/voc2012",
    split: str = "train",
    *,
    augmented: bool = False,
    missing_label: str = "fail",
    orientation: str = "warn",
    split_names: Mapping[str, str] | None = None,
    name: str = "voc2012",
) -> Dataset:
    """Lists a split of PASCAL VOC 2012: 21 classes, 1464 and 1449 images.

    Images are `root/JPEGImages/*.jpg`, labels `root/SegmentationClass/*.png`, palette
    images whose indices are the classes; 255, the outlines, is ignored. Which images
    belong to a split stands in `root/ImageSets/Segmentation/<split>.txt`.

    Args:
        root: The folder `VOC2012`, or one that holds it or `VOCdevkit`.
        split: `"train"`, `"val"`, `"trainval"`, or `"test"`, which has no labels.
        augmented: Whether "train" has the images that SBD adds, 10582 together: those
            of `trainaug.txt`, or of `train.txt` and `aug.txt`. A mask is taken from
            `root/SegmentationClassAug` if it is there. `keras-lraspp data prepare voc`
            makes list and masks.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        orientation: As in `FileList`. The masks belong to the pixels as stored.
        split_names: Names of the splits' lists where they are others, as
            `{"val": "valid"}`.
        name: Name of the data set.

    Returns:
        The data set, in the order of the list; ignore label 255.

    Raises:
        InputError: If a list or an image does not exist, or images have no label.

    Reference:
        Everingham et al., "The PASCAL Visual Object Classes Challenge", 2015;
        Hariharan et al., "Semantic Contours from Inverse Detectors", ICCV 2011.
    """
    check_call("VOC2012", VOC2012, locals())
    check_split_name(name, split, _SPLITS)
    root = Path(root)
    tree = voc_tree(root)
    names = _names(tree, split, augmented and split == "train", split_names)
    images = tuple(tree / "JPEGImages" / f"{one}.jpg" for one in names)
    missing = [path for path in images if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(images)} images of {name} {split} do not exist: "
            f"{abbreviate(missing)}; unpack {_ARCHIVE} again."
        )
    labels: tuple[Path, ...] = ()
    if split != "test":
        labels = tuple(_mask(tree, one, augmented) for one in names)
        images, labels = keep_labelled(images, labels, missing_label=missing_label)
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        classes=CLASS_SETS["voc2012"],
        ignore_label=255,
        orientation=orientation,
    )


def voc_tree(root: Path) -> Path:
    """The folder with `JPEGImages` and `ImageSets`, in `root` or below."""
    for tree in (root, root / "VOC2012", root / "VOCdevkit" / "VOC2012"):
        if (tree / LISTS).is_dir():
            return tree
    raise InputError(
        f"There is no {root / LISTS}; unpack {_ARCHIVE} and name its folder VOC2012 "
        "with --data_root (--gin_file=quickstart.gin needs no data)."
    )


def read_voc_list(tree: Path, file: str) -> list[str]:
    """Reads the names in a list of a VOC tree, as `train.txt`."""
    return read_names(tree / LISTS / file, tree / "JPEGImages", ".jpg")


def _names(
    tree: Path, split: str, augmented: bool, split_names: Mapping[str, str] | None
) -> list[str]:
    lists = tree / LISTS
    own = find_split("VOC2012", lists, "{split}.txt", split, split_names).name
    if not augmented:
        return read_voc_list(tree, own)
    train_aug, added = lists / "trainaug.txt", lists / "aug.txt"
    if train_aug.is_file():
        return read_voc_list(tree, train_aug.name)
    if added.is_file():
        names = read_voc_list(tree, own) + read_voc_list(tree, added.name)
        return [*dict.fromkeys(names)]
    raise InputError(
        f"There is neither {train_aug} nor {added}; make them with `keras-lraspp data "
        f"prepare voc --data_root={shlex.quote(str(tree))} --sbd=DIR`, or set "
        f"VOC2012.augmented = False."
    )


def _mask(tree: Path, name: str, augmented: bool) -> Path:
    added = tree / ADDED_MASKS / f"{name}.png"
    return added if augmented and added.is_file() else tree / _MASKS / f"{name}.png"
