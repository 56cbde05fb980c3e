"""Data sets given as a folder of images and a folder of labels."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_spec import read_label_spec
from keras_lraspp.data.pairing import pair_folders


def FolderPair(  # named as the other data sets are
    root: str | Path | None = None,
    split: str = "train",
    *,
    num_classes: int | None = None,
    images: str = "images/{split}",
    labels: str | None = "labels/{split}",
    image_suffix: str = "",
    label_suffix: str = "",
    classes: str | Sequence[str] | None = None,
    ignore_label: int | None = 255,
    label_lookup: str | Mapping[int, int] | Sequence[int] | None = None,
    color_map: Sequence[Sequence[int]] | None = None,
    missing_label: str = "fail",
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
        name: Name of the data set.

    Returns:
        The data set, in the order of the images' names.

    Raises:
        InputError: If there are no images, images without label, or an argument cannot
            be.
    """
    spec = read_label_spec(
        "FolderPair",
        num_classes=num_classes,
        classes=classes,
        ignore_label=ignore_label,
        label_lookup=label_lookup,
        color_map=color_map,
    )
    root = Path(f"data/{name}" if root is None else root)
    image_files, label_files = pair_folders(
        root / images.format(split=split),
        None if labels is None else root / labels.format(split=split),
        image_suffix=image_suffix,
        label_suffix=label_suffix,
        missing_label=missing_label,
    )
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=image_files,
        labels=label_files,
        **vars(spec),
    )
