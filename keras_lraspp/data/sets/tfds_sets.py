"""Data sets of TensorFlow Datasets whose features and labels we know."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple


class TfdsSet(NamedTuple):
    """What there is to know of a data set; arguments of `TFDS` of the same names."""

    image: str = "image"
    label: str | None = None
    classes: str | Sequence[str] | None = None
    num_classes: int | None = None
    label_lookup: str | Mapping[int, int] | None = None
    label_channel: int | None = None
    val_split: str | None = None


TFDS_SETS: dict[str, TfdsSet] = {
    "cityscapes": TfdsSet(
        image="image_left",
        label="segmentation_label",
        classes="cityscapes",
        label_lookup="cityscapes",
        val_split="validation",
    ),
    "oxford_iiit_pet": TfdsSet(
        label="segmentation_mask",
        classes=("pet", "background", "border"),
        label_lookup={1: 0, 2: 1, 3: 2},
        val_split="test",
    ),
    # Of ADE20K's annotations TFDS has those of the instance challenge: 100 categories
    # in the red channel, the instances in the green one.
    "scene_parse150": TfdsSet(
        label="annotation",
        num_classes=100,
        label_lookup={value: value - 1 for value in range(1, 101)},
        label_channel=0,
        val_split="test",
    ),
}
