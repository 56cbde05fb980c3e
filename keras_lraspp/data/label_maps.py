"""What the numbers in label files mean: classes, colours, and maps between them."""

from typing import NamedTuple

import numpy as np

from keras_lraspp.data.ade20k_classes import ADE20K_CLASSES


class LabelClass(NamedTuple):
    """One row of Cityscapes' official table of labels."""

    name: str
    id: int  # value in *_labelIds.png
    train_id: int  # value in *_labelTrainIds.png; 255 and -1 are not trained on
    category: str
    color: tuple[int, int, int]


CITYSCAPES: tuple[LabelClass, ...] = (
    LabelClass("unlabeled", 0, 255, "void", (0, 0, 0)),
    LabelClass("ego vehicle", 1, 255, "void", (0, 0, 0)),
    LabelClass("rectification border", 2, 255, "void", (0, 0, 0)),
    LabelClass("out of roi", 3, 255, "void", (0, 0, 0)),
    LabelClass("static", 4, 255, "void", (0, 0, 0)),
    LabelClass("dynamic", 5, 255, "void", (111, 74, 0)),
    LabelClass("ground", 6, 255, "void", (81, 0, 81)),
    LabelClass("road", 7, 0, "flat", (128, 64, 128)),
    LabelClass("sidewalk", 8, 1, "flat", (244, 35, 232)),
    LabelClass("parking", 9, 255, "flat", (250, 170, 160)),
    LabelClass("rail track", 10, 255, "flat", (230, 150, 140)),
    LabelClass("building", 11, 2, "construction", (70, 70, 70)),
    LabelClass("wall", 12, 3, "construction", (102, 102, 156)),
    LabelClass("fence", 13, 4, "construction", (190, 153, 153)),
    LabelClass("guard rail", 14, 255, "construction", (180, 165, 180)),
    LabelClass("bridge", 15, 255, "construction", (150, 100, 100)),
    LabelClass("tunnel", 16, 255, "construction", (150, 120, 90)),
    LabelClass("pole", 17, 5, "object", (153, 153, 153)),
    LabelClass("polegroup", 18, 255, "object", (153, 153, 153)),
    LabelClass("traffic light", 19, 6, "object", (250, 170, 30)),
    LabelClass("traffic sign", 20, 7, "object", (220, 220, 0)),
    LabelClass("vegetation", 21, 8, "nature", (107, 142, 35)),
    LabelClass("terrain", 22, 9, "nature", (152, 251, 152)),
    LabelClass("sky", 23, 10, "sky", (70, 130, 180)),
    LabelClass("person", 24, 11, "human", (220, 20, 60)),
    LabelClass("rider", 25, 12, "human", (255, 0, 0)),
    LabelClass("car", 26, 13, "vehicle", (0, 0, 142)),
    LabelClass("truck", 27, 14, "vehicle", (0, 0, 70)),
    LabelClass("bus", 28, 15, "vehicle", (0, 60, 100)),
    LabelClass("caravan", 29, 255, "vehicle", (0, 0, 90)),
    LabelClass("trailer", 30, 255, "vehicle", (0, 0, 110)),
    LabelClass("train", 31, 16, "vehicle", (0, 80, 100)),
    LabelClass("motorcycle", 32, 17, "vehicle", (0, 0, 230)),
    LabelClass("bicycle", 33, 18, "vehicle", (119, 11, 32)),
    LabelClass("license plate", -1, -1, "vehicle", (0, 0, 142)),
)


class ClassSet(NamedTuple):
    """Names and colours of the classes 0, 1, ... of a data set."""

    names: tuple[str, ...]
    palette: tuple[tuple[int, int, int], ...]


def _trained(rows: tuple[LabelClass, ...]) -> list[LabelClass]:
    rows = [row for row in rows if 0 <= row.train_id < 255]
    return sorted(rows, key=lambda row: row.train_id)


def _voc_color(label: int) -> tuple[int, int, int]:
    """Spreads the label's bits over the channels' high bits, three at a time."""
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (label & 1) << bit
        green |= (label >> 1 & 1) << bit
        blue |= (label >> 2 & 1) << bit
        label >>= 3
    return red, green, blue


VOC2012_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
    "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant",
    "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


CLASS_SETS: dict[str, ClassSet] = {
    "cityscapes": ClassSet(
        names=tuple(row.name for row in _trained(CITYSCAPES)),
        palette=tuple(row.color for row in _trained(CITYSCAPES)),
    ),
    "camvid": ClassSet(
        *zip(
            ("sky", (128, 128, 128)),
            ("building", (128, 0, 0)),
            ("pole", (192, 192, 128)),
            ("road", (128, 64, 128)),
            ("pavement", (60, 40, 222)),
            ("tree", (128, 128, 0)),
            ("sign", (192, 128, 128)),
            ("fence", (64, 64, 128)),
            ("car", (64, 0, 128)),
            ("pedestrian", (64, 64, 0)),
            ("bicyclist", (0, 128, 192)),
            strict=True,
        )
    ),
    "ade20k": ClassSet(
        names=tuple(row.name for row in ADE20K_CLASSES),
        palette=tuple(row.color for row in ADE20K_CLASSES),
    ),
    "voc2012": ClassSet(
        names=VOC2012_NAMES,
        palette=tuple(_voc_color(label) for label in range(len(VOC2012_NAMES))),
    ),
}


def generic_class_set(num_classes: int) -> ClassSet:
    """Names "class 0", "class 1", ... and PASCAL VOC's colours.

    Args:
        num_classes: Number of classes.

    Returns:
        Names and colours; the first 256 colours are all different.
    """
    names = tuple(f"class {label}" for label in range(num_classes))
    return ClassSet(names, tuple(_voc_color(label) for label in range(num_classes)))


def cityscapes_lookup() -> np.ndarray:
    """Table from labelId to trainId: uint8 (256,), 255 for what is not trained on."""
    table = np.full(256, 255, np.uint8)
    for row in _trained(CITYSCAPES):
        table[row.id] = row.train_id
    return table


def cityscapes_train_to_id() -> np.ndarray:
    """Table from trainId to labelId: uint8 (256,), 0 (unlabeled) for other values.

    The official evaluation takes predictions as labelIds.
    """
    table = np.zeros(256, np.uint8)
    for row in _trained(CITYSCAPES):
        table[row.train_id] = row.id
    return table


def ade20k_lookup() -> np.ndarray:
    """Table from ADE20K's annotations, 0 none and 1..150, to classes: uint8 (256,).

    255 for none. Values that are no annotation stay, so that they are found.
    """
    table = np.arange(256, dtype=np.uint8)
    table[0] = 255
    table[1 : len(ADE20K_CLASSES) + 1] = np.arange(len(ADE20K_CLASSES))
    return table
