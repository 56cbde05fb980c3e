"""The Cityscapes tree, as the official zip files unpack."""

import warnings
from pathlib import Path

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.label_maps import CLASS_SETS, cityscapes_lookup
from keras_lraspp.data.pairing import keep_labelled, some
from keras_lraspp.errors import InputError

SPLITS = ("train", "val", "test")
_IMAGE_END = "_leftImg8bit.png"
_TRAIN_ID_END = "_gtFine_labelTrainIds.png"
_LABEL_ID_END = "_gtFine_labelIds.png"


def Cityscapes(  # named as the data set is
    root: str | Path = "data/cityscapes",
    split: str = "train",
    *,
    missing_label: str = "fail",
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
        split: `"train"`, `"val"` or `"test"`.
        missing_label: `"fail"`, or `"skip"` to leave out images without label.
        name: Name of the data set.

    Returns:
        The data set, in the order of the file names.

    Raises:
        InputError: If there are no images, or images without label.
    """
    root = Path(root)
    if split not in SPLITS:
        raise InputError(f"{name} has the splits {SPLITS}, not {split!r}; use one.")
    pattern = f"leftImg8bit/{split}/*/*{_IMAGE_END}"
    images = tuple(sorted(root.glob(pattern)))
    if not images:
        raise InputError(_how_to_get(root / pattern, root))
    labels: tuple[Path, ...] = ()
    lookup = None
    if split != "test":
        found = set(root.glob(f"gtFine/{split}/*/*_gtFine_label*Ids.png"))
        end = _best_end(root, images, found)
        labels = tuple(_label_of(root, image, end) for image in images)
        images, labels = keep_labelled(
            images, labels, exists=found.__contains__, missing_label=missing_label
        )
        if end == _LABEL_ID_END:
            lookup = tuple(cityscapes_lookup().tolist())
        _warn_without_image(images, labels, found, end)
    return Dataset(
        name=name,
        root=root,
        split=split,
        images=images,
        labels=labels,
        classes=CLASS_SETS["cityscapes"],
        ignore_label=255,
        label_lookup=lookup,
    )


def _best_end(root: Path, images: tuple[Path, ...], found: set[Path]) -> str:
    """The kind of label that most images have; labelTrainIds if they are equal."""

    def count(end):
        return sum(_label_of(root, image, end) in found for image in images)

    return max((_TRAIN_ID_END, _LABEL_ID_END), key=count)


def _label_of(root: Path, image: Path, end: str) -> Path:
    split, city = image.parts[-3:-1]
    return root / "gtFine" / split / city / (image.name[: -len(_IMAGE_END)] + end)


def _warn_without_image(images, labels, found: set[Path], end: str) -> None:
    lonely = {label for label in found if label.name.endswith(end)} - set(labels)
    if lonely:
        warnings.warn(
            f"{len(lonely)} labels have no image and are not used: "
            f"{some(sorted(lonely))}.",
            stacklevel=3,
        )


def _how_to_get(pattern: Path, root: Path) -> str:
    return (
        f"No images match {pattern}; register at https://www.cityscapes-dataset.com, "
        "unpack leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip into "
        f"{root}, or name another folder with --data_root (--gin_file=quickstart.gin "
        "needs no data)."
    )
