"""What the numbers in label files mean: classes, colours, and maps between them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from keras_lraspp.errors import InputError


class SceneClass(NamedTuple):
    """A class; its value in annotation files is its place in the table plus one."""

    name: str
    color: tuple[int, int, int]


ADE20K_CLASSES: tuple[SceneClass, ...] = (
    SceneClass("wall", (120, 120, 120)),
    SceneClass("building", (180, 120, 120)),
    SceneClass("sky", (6, 230, 230)),
    SceneClass("floor", (80, 50, 50)),
    SceneClass("tree", (4, 200, 3)),
    SceneClass("ceiling", (120, 120, 80)),
    SceneClass("road", (140, 140, 140)),
    SceneClass("bed", (204, 5, 255)),
    SceneClass("windowpane", (230, 230, 230)),
    SceneClass("grass", (4, 250, 7)),
    SceneClass("cabinet", (224, 5, 255)),
    SceneClass("sidewalk", (235, 255, 7)),
    SceneClass("person", (150, 5, 61)),
    SceneClass("earth", (120, 120, 70)),
    SceneClass("door", (8, 255, 51)),
    SceneClass("table", (255, 6, 82)),
    SceneClass("mountain", (143, 255, 140)),
    SceneClass("plant", (204, 255, 4)),
    SceneClass("curtain", (255, 51, 7)),
    SceneClass("chair", (204, 70, 3)),
    SceneClass("car", (0, 102, 200)),
    SceneClass("water", (61, 230, 250)),
    SceneClass("painting", (255, 6, 51)),
    SceneClass("sofa", (11, 102, 255)),
    SceneClass("shelf", (255, 7, 71)),
    SceneClass("house", (255, 9, 224)),
    SceneClass("sea", (9, 7, 230)),
    SceneClass("mirror", (220, 220, 220)),
    SceneClass("rug", (255, 9, 92)),
    SceneClass("field", (112, 9, 255)),
    SceneClass("armchair", (8, 255, 214)),
    SceneClass("seat", (7, 255, 224)),
    SceneClass("fence", (255, 184, 6)),
    SceneClass("desk", (10, 255, 71)),
    SceneClass("rock", (255, 41, 10)),
    SceneClass("wardrobe", (7, 255, 255)),
    SceneClass("lamp", (224, 255, 8)),
    SceneClass("bathtub", (102, 8, 255)),
    SceneClass("railing", (255, 61, 6)),
    SceneClass("cushion", (255, 194, 7)),
    SceneClass("base", (255, 122, 8)),
    SceneClass("box", (0, 255, 20)),
    SceneClass("column", (255, 8, 41)),
    SceneClass("signboard", (255, 5, 153)),
    SceneClass("chest of drawers", (6, 51, 255)),
    SceneClass("counter", (235, 12, 255)),
    SceneClass("sand", (160, 150, 20)),
    SceneClass("sink", (0, 163, 255)),
    SceneClass("skyscraper", (140, 140, 140)),
    SceneClass("fireplace", (250, 10, 15)),
    SceneClass("refrigerator", (20, 255, 0)),
    SceneClass("grandstand", (31, 255, 0)),
    SceneClass("path", (255, 31, 0)),
    SceneClass("stairs", (255, 224, 0)),
    SceneClass("runway", (153, 255, 0)),
    SceneClass("case", (0, 0, 255)),
    SceneClass("pool table", (255, 71, 0)),
    SceneClass("pillow", (0, 235, 255)),
    SceneClass("screen door", (0, 173, 255)),
    SceneClass("stairway", (31, 0, 255)),
    SceneClass("river", (11, 200, 200)),
    SceneClass("bridge", (255, 82, 0)),
    SceneClass("bookcase", (0, 255, 245)),
    SceneClass("blind", (0, 61, 255)),
    SceneClass("coffee table", (0, 255, 112)),
    SceneClass("toilet", (0, 255, 133)),
    SceneClass("flower", (255, 0, 0)),
    SceneClass("book", (255, 163, 0)),
    SceneClass("hill", (255, 102, 0)),
    SceneClass("bench", (194, 255, 0)),
    SceneClass("countertop", (0, 143, 255)),
    SceneClass("stove", (51, 255, 0)),
    SceneClass("palm", (0, 82, 255)),
    SceneClass("kitchen island", (0, 255, 41)),
    SceneClass("computer", (0, 255, 173)),
    SceneClass("swivel chair", (10, 0, 255)),
    SceneClass("boat", (173, 255, 0)),
    SceneClass("bar", (0, 255, 153)),
    SceneClass("arcade machine", (255, 92, 0)),
    SceneClass("hovel", (255, 0, 255)),
    SceneClass("bus", (255, 0, 245)),
    SceneClass("towel", (255, 0, 102)),
    SceneClass("light", (255, 173, 0)),
    SceneClass("truck", (255, 0, 20)),
    SceneClass("tower", (255, 184, 184)),
    SceneClass("chandelier", (0, 31, 255)),
    SceneClass("awning", (0, 255, 61)),
    SceneClass("streetlight", (0, 71, 255)),
    SceneClass("booth", (255, 0, 204)),
    SceneClass("television", (0, 255, 194)),
    SceneClass("airplane", (0, 255, 82)),
    SceneClass("dirt track", (0, 10, 255)),
    SceneClass("apparel", (0, 112, 255)),
    SceneClass("pole", (51, 0, 255)),
    SceneClass("land", (0, 194, 255)),
    SceneClass("bannister", (0, 122, 255)),
    SceneClass("escalator", (0, 255, 163)),
    SceneClass("ottoman", (255, 153, 0)),
    SceneClass("bottle", (0, 255, 10)),
    SceneClass("buffet", (255, 112, 0)),
    SceneClass("poster", (143, 255, 0)),
    SceneClass("stage", (82, 0, 255)),
    SceneClass("van", (163, 255, 0)),
    SceneClass("ship", (255, 235, 0)),
    SceneClass("fountain", (8, 184, 170)),
    SceneClass("conveyer belt", (133, 0, 255)),
    SceneClass("canopy", (0, 255, 92)),
    SceneClass("washer", (184, 0, 255)),
    SceneClass("plaything", (255, 0, 31)),
    SceneClass("swimming pool", (0, 184, 255)),
    SceneClass("stool", (0, 214, 255)),
    SceneClass("barrel", (255, 0, 112)),
    SceneClass("basket", (92, 255, 0)),
    SceneClass("waterfall", (0, 224, 255)),
    SceneClass("tent", (112, 224, 255)),
    SceneClass("bag", (70, 184, 160)),
    SceneClass("minibike", (163, 0, 255)),
    SceneClass("cradle", (153, 0, 255)),
    SceneClass("oven", (71, 255, 0)),
    SceneClass("ball", (255, 0, 163)),
    SceneClass("food", (255, 204, 0)),
    SceneClass("step", (255, 0, 143)),
    SceneClass("tank", (0, 255, 235)),
    SceneClass("trade name", (133, 255, 0)),
    SceneClass("microwave", (255, 0, 235)),
    SceneClass("pot", (245, 0, 255)),
    SceneClass("animal", (255, 0, 122)),
    SceneClass("bicycle", (255, 245, 0)),
    SceneClass("lake", (10, 190, 212)),
    SceneClass("dishwasher", (214, 255, 0)),
    SceneClass("screen", (0, 204, 255)),
    SceneClass("blanket", (20, 0, 255)),
    SceneClass("sculpture", (255, 255, 0)),
    SceneClass("hood", (0, 153, 255)),
    SceneClass("sconce", (0, 41, 255)),
    SceneClass("vase", (0, 255, 204)),
    SceneClass("traffic light", (41, 0, 255)),
    SceneClass("tray", (41, 255, 0)),
    SceneClass("ashcan", (173, 0, 255)),
    SceneClass("fan", (0, 245, 255)),
    SceneClass("pier", (71, 0, 255)),
    SceneClass("crt screen", (122, 0, 255)),
    SceneClass("plate", (0, 255, 184)),
    SceneClass("monitor", (0, 92, 255)),
    SceneClass("bulletin board", (184, 255, 0)),
    SceneClass("shower", (0, 133, 255)),
    SceneClass("radiator", (255, 214, 0)),
    SceneClass("glass", (25, 194, 194)),
    SceneClass("clock", (102, 255, 0)),
    SceneClass("flag", (92, 0, 255)),
)


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


class MaskClass(NamedTuple):
    """One of the 32 classes that CamVid's colour masks were drawn with."""

    name: str
    color: tuple[int, int, int]
    group: str  # the class among the 11, "" for none


CAMVID_MASKS: tuple[MaskClass, ...] = (
    MaskClass("Animal", (64, 128, 64), "pedestrian"),
    MaskClass("Archway", (192, 0, 128), "building"),
    MaskClass("Bicyclist", (0, 128, 192), "bicyclist"),
    MaskClass("Bridge", (0, 128, 64), "building"),
    MaskClass("Building", (128, 0, 0), "building"),
    MaskClass("Car", (64, 0, 128), "car"),
    MaskClass("CartLuggagePram", (64, 0, 192), "pedestrian"),
    MaskClass("Child", (192, 128, 64), "pedestrian"),
    MaskClass("Column_Pole", (192, 192, 128), "pole"),
    MaskClass("Fence", (64, 64, 128), "fence"),
    MaskClass("LaneMkgsDriv", (128, 0, 192), "road"),
    MaskClass("LaneMkgsNonDriv", (192, 0, 64), "road"),
    MaskClass("Misc_Text", (128, 128, 64), "sign"),
    MaskClass("MotorcycleScooter", (192, 0, 192), "bicyclist"),
    MaskClass("OtherMoving", (128, 64, 64), "car"),
    MaskClass("ParkingBlock", (64, 192, 128), "pavement"),
    MaskClass("Pedestrian", (64, 64, 0), "pedestrian"),
    MaskClass("Road", (128, 64, 128), "road"),
    MaskClass("RoadShoulder", (128, 128, 192), "pavement"),
    MaskClass("SUVPickupTruck", (64, 128, 192), "car"),
    MaskClass("Sidewalk", (0, 0, 192), "pavement"),
    MaskClass("SignSymbol", (192, 128, 128), "sign"),
    MaskClass("Sky", (128, 128, 128), "sky"),
    MaskClass("TrafficCone", (0, 0, 64), "pole"),
    MaskClass("TrafficLight", (0, 64, 64), "sign"),
    MaskClass("Train", (192, 64, 128), "car"),
    MaskClass("Tree", (128, 128, 0), "tree"),
    MaskClass("Truck_Bus", (192, 128, 192), "car"),
    MaskClass("Tunnel", (64, 0, 64), "building"),
    MaskClass("VegetationMisc", (192, 192, 0), "tree"),
    MaskClass("Void", (0, 0, 0), ""),
    MaskClass("Wall", (64, 192, 0), "building"),
)


def resolve_classes(
    classes: ClassSet | str | int | Sequence[str], *, name: str = "classes"
) -> ClassSet:
    """Returns names and colours of classes, however they are given.

    Args:
        classes: Name of a row of `CLASS_SETS`, such as `"cityscapes"`; a list of
            names; a number of classes; or a `ClassSet`, which is returned.
        name: Name of the argument, for the message.

    Raises:
        InputError: For an unknown name.
    """
    if isinstance(classes, ClassSet):
        return classes
    if isinstance(classes, int):
        return generic_class_set(classes)
    if not isinstance(classes, str):
        return ClassSet(tuple(classes), generic_class_set(len(classes)).palette)
    if classes not in CLASS_SETS:
        raise InputError(
            f"{name} names no class set: {classes!r}; give one of "
            f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
        )
    return CLASS_SETS[classes]
