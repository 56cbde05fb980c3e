"""Custom data sets of image and label files: `FileList` and `FolderPair`."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

from keras_lraspp.data.dataset import Dataset, White
from keras_lraspp.data.label_spec import read_label_spec
from keras_lraspp.data.pairing import (
    LARGEST_LIST,
    check_names,
    find_listed,
    keep_labelled,
    pair_folders,
)
from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.images import WHITE
from keras_lraspp.schema import Bounds, Channels, Count, check_call, read_text

_Part = Annotated[float, Bounds(0.001, 0.999)]
# What others call the splits.
_ALIASES = {
    "train": ("training",),
    "val": ("valid", "validation", "dev", "eval"),
    "test": ("testing",),
}


def FileList(  # named as the other data sets are
    root: str | Path | None = None,
    split: str = "train",
    *,
    num_classes: Count | None = None,
    list_file: str = "{split}.txt",
    classes: str | Sequence[str] | None = None,
    ignore_label: int | None = 255,
    separator: str | None = None,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
    match_names: bool = True,
    missing_label: str = "fail",
    orientation: str = "refuse",
    white: White = WHITE,
    channels: Channels = 3,
    split_names: Mapping[str, str] | None = None,
    holdout: _Part | None = None,
    name: str = "files",
) -> Dataset:
    """Lists a split from a text file, as PaddleSeg's and PASCAL's are.

    Each line names an image and its label, relative to `root` or absolute; empty lines
    and lines that start with `#` are left out. A list of images alone is a split
    without labels.

    Args:
        root: Folder that the paths are relative to; `data/<name>` if `None`.
        split: Name of the split; stands for `{split}` in `list_file`.
        num_classes: Number of classes; may be left to `classes`.
        list_file: The text file, relative to `root` or absolute.
        classes: `"cityscapes"`, `"camvid"`, `"ade20k"` or `"voc2012"` for their names
            and colours, a list of names, or a file of them, relative to `root`: CVAT's
            `labelmap.txt`, Roboflow's `_classes.csv`, or a name on each line; `None`
            for "class 0", "class 1", ...
        ignore_label: Label of pixels that count nowhere, or `None`.
        separator: What stands between image and label: `None` for blanks or tabs, or
            e.g. `","` for paths that hold blanks.
        label_lookup: What a file's value means, where files do not hold classes: a
            mapping from values to classes (values it leaves out are ignored), a
            sequence indexed by value, `"cityscapes"` for labelIds, or `"ade20k"`.
        color_map: Rows `(red, green, blue, class)`, or `(red, green, blue)` in the
            order of the classes, where colours say the class, of RGB, palette or grey
            masks.
        match_names: Whether the names of image and label must agree, up to a beginning
            and an end that all images or all labels share. It finds shuffled lists.
        missing_label: `"fail"`, or `"skip"` to leave out images whose label file does
            not exist.
        orientation: `"upright"` if masks were drawn on images as their EXIF orientation
            shows them, `"stored"` if on their pixels as stored; `"refuse"` images that
            have one, or `"warn"` of them and take the pixels as stored.
        white: Value of white in images of 16 bits, as 4095 of a camera's 12 bits.
        channels: Number of channels of the images: 3 for RGB, 1 for grey, 4 for RGBA,
            or that of TIFFs of several bands or `.npy` files; see `read_image`.
        split_names: What stands for `{split}` where it is another word, as
            `{"val": "valid"}`.
        holdout: Share of the images of "train" that are the split "val" instead, as
            0.1. Their names decide, so that an image stays where it is when others are
            added.
        name: Name of the data set.

    Returns:
        The data set, in the order of the list.

    Raises:
        InputError: If the list or a file in it does not exist, a line has another
            number of columns, or names do not agree.
    """
    check_call("FileList", FileList, locals())
    root = Path(f"data/{name}" if root is None else root)
    spec = read_label_spec(
        "FileList",
        num_classes=num_classes,
        classes=classes,
        ignore_label=ignore_label,
        label_lookup=label_lookup,
        color_map=color_map,
        root=root,
    )
    list_path = _find_part("FileList", root, list_file, split, split_names, holdout)
    rows = _read_rows(list_path, separator)
    kept = _hold_out([row[0] for row in rows], split, holdout)
    rows = [rows[index] for index in kept]
    images = tuple(find_listed(root, row[0]) for row in rows)
    labels = tuple(find_listed(root, row[1]) for row in rows if len(row) == 2)
    check_images_exist(images, list_path)
    if labels:
        if match_names:
            check_names(images, labels, list_path)
        images, labels = keep_labelled(images, labels, missing_label=missing_label)
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        orientation=orientation,
        white=white,
        channels=channels,
        **vars(spec),
    )


def FolderPair(  # named as the other data sets are
    root: str | Path | None = None,
    split: str = "train",
    *,
    num_classes: Count | None = None,
    images: str = "images/{split}",
    labels: str | None = "labels/{split}",
    image_suffix: str = "",
    label_suffix: str = "",
    classes: str | Sequence[str] | None = None,
    ignore_label: int | None = 255,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
    missing_label: str = "fail",
    orientation: str = "refuse",
    white: White = WHITE,
    channels: Channels = 3,
    split_names: Mapping[str, str] | None = None,
    holdout: _Part | None = None,
    name: str = "files",
) -> Dataset:
    """Pairs the images in one folder with the labels of the same names in another.

    Names count with their subfolders, without extension and suffix: `a/1_photo.jpg`
    goes with `a/1_mask.png` for the suffixes `_photo` and `_mask`.

    Args:
        root: Folder that the two are relative to; `data/<name>` if `None`.
        split: Name of the split; stands for `{split}` in `images` and `labels`.
        num_classes: Number of classes; may be left to `classes`.
        images: Folder of the images.
        labels: Folder of the labels, which may be that of the images where suffixes
            tell them apart; `None` for a split without labels.
        image_suffix: End of the images' names, before the extension.
        label_suffix: End of the labels' names, before the extension.
        classes: As in `FileList`.
        ignore_label: Label of pixels that count nowhere, or `None`.
        label_lookup: As in `FileList`.
        color_map: As in `FileList`.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        orientation: As in `FileList`.
        white: As in `FileList`.
        channels: As in `FileList`.
        split_names: As in `FileList`.
        holdout: As in `FileList`.
        name: Name of the data set.

    Returns:
        The data set, in the order of the images' names.

    Raises:
        InputError: If there are no images, images without label, or an argument cannot
            be.
    """
    check_call("FolderPair", FolderPair, locals())
    root = Path(f"data/{name}" if root is None else root)
    spec = read_label_spec(
        "FolderPair",
        num_classes=num_classes,
        classes=classes,
        ignore_label=ignore_label,
        label_lookup=label_lookup,
        color_map=color_map,
        root=root,
    )
    find = partial(_find_part, "FolderPair", root)
    image_folder = find(images, split, split_names, holdout)
    image_files, label_files = pair_folders(
        image_folder,
        None if labels is None else find(labels, split, split_names, holdout),
        image_suffix=image_suffix,
        label_suffix=label_suffix,
        missing_label=missing_label,
    )
    names = [
        path.relative_to(image_folder).with_suffix("").as_posix()
        for path in image_files
    ]
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=image_files,
        labels=label_files,
        orientation=orientation,
        white=white,
        channels=channels,
        **vars(spec),
    ).select(_hold_out(names, split, holdout))


def find_split(
    reader: str, root: Path, pattern: str, split: str, names: Mapping[str, str] | None
) -> Path:
    """The list or folder of a split; an error if it is there by another name.

    Args:
        reader: Name of the data set's function, for the message.
        root: Folder that the pattern is relative to.
        pattern: Path of the list or folder, with `{split}` where its name stands.
        split: Name of the split.
        names: Its name in the path, where that is another one.
    """
    path = root / pattern.replace("{split}", (names or {}).get(split, split))
    if path.exists():
        return path
    for alias in (split, *_ALIASES.get(split, ())):
        other = root / pattern.replace("{split}", alias)
        if other != path and other.exists():
            raise InputError(
                f"There is no {path}, but {other}; set {reader}.split_names = "
                f'{{"{split}": "{alias}"}}.'
            )
    return path


def _find_part(
    reader: str,
    root: Path,
    pattern: str,
    split: str,
    names: Mapping[str, str] | None,
    holdout: float | None,
) -> Path:
    """The list or folder that a split is all or a part of."""
    if holdout is not None and split == "val":
        split = "train"
    path = find_split(reader, root, pattern, split, names)
    train = root / pattern.replace("{split}", "train")
    if split == "val" and not path.exists() and train.exists():
        raise InputError(
            f"There is no {path} for the validation split; make it, or hold out a "
            f"part of the training images with {reader}.holdout = 0.1."
        )
    return path


def _hold_out(names: Sequence[str], split: str, holdout: float | None) -> list[int]:
    """Which of the images belong to a split, by their names."""
    if holdout is None or split not in ("train", "val"):
        return [*range(len(names))]
    kept = []
    for index, name in enumerate(names):
        digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest()
        held_out = int.from_bytes(digest[:8], "big") < holdout * 2**64
        if held_out == (split == "val"):
            kept.append(index)
    if not kept:
        raise InputError(
            f"holdout={holdout} leaves none of {len(names)} images for the split "
            f"{split}; take another share."
        )
    return kept


def _read_rows(path: Path, separator: str | None) -> list[list[str]]:
    mend = (
        "name the data set's folder with --data_root and the list, a text, with "
        "FileList.list_file (--gin_file=quickstart.gin needs no data)"
    )
    lines = read_text(path, mend=mend, most=LARGEST_LIST).splitlines()
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        row = [column.strip() for column in line.strip().split(separator)]
        if len(row) > 2 or not all(row) or (rows and len(row) != len(rows[0])):
            raise InputError(
                f"{path} line {number} has {len(row)} columns: {line.strip()!r}; give "
                "an image and a label on each line (and FileList.separator if paths "
                "hold blanks)."
            )
        rows.append(row)
    if not rows:
        raise InputError(f"The list {path} is empty; write `image label` lines to it.")
    return rows


def check_images_exist(images: Sequence[Path], list_path: Path) -> None:
    """Refuses a list that names images which do not exist."""
    missing = [image for image in images if not image.is_file()]
    if not missing:
        return
    mend = "correct the list or the folder (--data_root)"
    if missing == [images[0]] and len(images) > 1:
        mend = "if the first line is a heading, begin it with #"
    raise InputError(
        f"{len(missing)} of {len(images)} images in {list_path} do not exist: "
        f"{abbreviate(missing)}; {mend}."
    )


def check_split_name(name: str, split: str, splits: Collection[str]) -> None:
    """Refuses the name of a split that a data set does not have."""
    if split not in splits:
        raise InputError(f"{name} has the splits {(*splits,)}, not {split!r}; use one.")
