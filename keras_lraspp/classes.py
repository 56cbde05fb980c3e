"""Names, colours and label maps of Cityscapes, CamVid, ADE20K and PASCAL VOC 2012."""

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import numpy as np

from keras_lraspp.errors import InputError, abbreviate
from keras_lraspp.schema import Bounds, Color, Name, check_argument, check_value

MOST_CLASSES = 65_536  # as many values as a label of 16 bits has


class ClassSet(NamedTuple):
    """Names and colours of the classes 0, 1, ... of a data set."""

    names: tuple[str, ...]
    palette: tuple[Color, ...]


Names = Annotated[tuple[Name, ...], Bounds(1, MOST_CLASSES)]


@dataclasses.dataclass(frozen=True)
class ClassCard:
    """Schema of the classes in the metadata of `.keras` files and exports."""

    classes: Names
    palette: tuple[Color, ...]

    def __post_init__(self):
        """Refuses a class without a colour."""
        if len(self.classes) != len(self.palette):
            raise InputError(
                f"it has {len(self.classes)} classes, but {len(self.palette)} colours"
            )

    @property
    def class_set(self) -> ClassSet:
        """Names and colours."""
        return ClassSet(self.classes, self.palette)


def classes_to_json(classes: ClassSet | None) -> dict[str, list] | None:
    """Returns what `ClassCard` is the schema of; `None` for `None`."""
    if classes is None:
        return None
    names, palette = classes
    return {"classes": [*names], "palette": [[*color] for color in palette]}


def classes_from_json(value: Any, source: str) -> Any:
    """Returns the classes that `classes_to_json` gave, checked; else the value.

    Raises:
        InputError: For an object that `ClassCard` does not describe.
    """
    if not isinstance(value, Mapping):
        return value
    mend = "take the file that Keras or a training wrote"
    return check_value(dict(value), ClassCard, source, mend=mend).class_set


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


_TRAINED = sorted(
    (row for row in CITYSCAPES if 0 <= row.train_id < 255), key=lambda row: row.train_id
)


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


_CAMVID = (
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
)

# In the order of ADE20K's annotations, where the first class is 1.
_ADE20K = (
    ("wall", (120, 120, 120)), ("building", (180, 120, 120)), ("sky", (6, 230, 230)),
    ("floor", (80, 50, 50)), ("tree", (4, 200, 3)), ("ceiling", (120, 120, 80)),
    ("road", (140, 140, 140)), ("bed", (204, 5, 255)), ("windowpane", (230, 230, 230)),
    ("grass", (4, 250, 7)), ("cabinet", (224, 5, 255)), ("sidewalk", (235, 255, 7)),
    ("person", (150, 5, 61)), ("earth", (120, 120, 70)), ("door", (8, 255, 51)),
    ("table", (255, 6, 82)), ("mountain", (143, 255, 140)), ("plant", (204, 255, 4)),
    ("curtain", (255, 51, 7)), ("chair", (204, 70, 3)), ("car", (0, 102, 200)),
    ("water", (61, 230, 250)), ("painting", (255, 6, 51)), ("sofa", (11, 102, 255)),
    ("shelf", (255, 7, 71)), ("house", (255, 9, 224)), ("sea", (9, 7, 230)),
    ("mirror", (220, 220, 220)), ("rug", (255, 9, 92)), ("field", (112, 9, 255)),
    ("armchair", (8, 255, 214)), ("seat", (7, 255, 224)), ("fence", (255, 184, 6)),
    ("desk", (10, 255, 71)), ("rock", (255, 41, 10)), ("wardrobe", (7, 255, 255)),
    ("lamp", (224, 255, 8)), ("bathtub", (102, 8, 255)), ("railing", (255, 61, 6)),
    ("cushion", (255, 194, 7)), ("base", (255, 122, 8)), ("box", (0, 255, 20)),
    ("column", (255, 8, 41)), ("signboard", (255, 5, 153)),
    ("chest of drawers", (6, 51, 255)), ("counter", (235, 12, 255)),
    ("sand", (160, 150, 20)), ("sink", (0, 163, 255)), ("skyscraper", (140, 140, 140)),
    ("fireplace", (250, 10, 15)), ("refrigerator", (20, 255, 0)),
    ("grandstand", (31, 255, 0)), ("path", (255, 31, 0)), ("stairs", (255, 224, 0)),
    ("runway", (153, 255, 0)), ("case", (0, 0, 255)), ("pool table", (255, 71, 0)),
    ("pillow", (0, 235, 255)), ("screen door", (0, 173, 255)),
    ("stairway", (31, 0, 255)), ("river", (11, 200, 200)), ("bridge", (255, 82, 0)),
    ("bookcase", (0, 255, 245)), ("blind", (0, 61, 255)),
    ("coffee table", (0, 255, 112)), ("toilet", (0, 255, 133)),
    ("flower", (255, 0, 0)), ("book", (255, 163, 0)), ("hill", (255, 102, 0)),
    ("bench", (194, 255, 0)), ("countertop", (0, 143, 255)), ("stove", (51, 255, 0)),
    ("palm", (0, 82, 255)), ("kitchen island", (0, 255, 41)),
    ("computer", (0, 255, 173)), ("swivel chair", (10, 0, 255)),
    ("boat", (173, 255, 0)), ("bar", (0, 255, 153)), ("arcade machine", (255, 92, 0)),
    ("hovel", (255, 0, 255)), ("bus", (255, 0, 245)), ("towel", (255, 0, 102)),
    ("light", (255, 173, 0)), ("truck", (255, 0, 20)), ("tower", (255, 184, 184)),
    ("chandelier", (0, 31, 255)), ("awning", (0, 255, 61)),
    ("streetlight", (0, 71, 255)), ("booth", (255, 0, 204)),
    ("television", (0, 255, 194)), ("airplane", (0, 255, 82)),
    ("dirt track", (0, 10, 255)), ("apparel", (0, 112, 255)), ("pole", (51, 0, 255)),
    ("land", (0, 194, 255)), ("bannister", (0, 122, 255)),
    ("escalator", (0, 255, 163)), ("ottoman", (255, 153, 0)), ("bottle", (0, 255, 10)),
    ("buffet", (255, 112, 0)), ("poster", (143, 255, 0)), ("stage", (82, 0, 255)),
    ("van", (163, 255, 0)), ("ship", (255, 235, 0)), ("fountain", (8, 184, 170)),
    ("conveyer belt", (133, 0, 255)), ("canopy", (0, 255, 92)),
    ("washer", (184, 0, 255)), ("plaything", (255, 0, 31)),
    ("swimming pool", (0, 184, 255)), ("stool", (0, 214, 255)),
    ("barrel", (255, 0, 112)), ("basket", (92, 255, 0)), ("waterfall", (0, 224, 255)),
    ("tent", (112, 224, 255)), ("bag", (70, 184, 160)), ("minibike", (163, 0, 255)),
    ("cradle", (153, 0, 255)), ("oven", (71, 255, 0)), ("ball", (255, 0, 163)),
    ("food", (255, 204, 0)), ("step", (255, 0, 143)), ("tank", (0, 255, 235)),
    ("trade name", (133, 255, 0)), ("microwave", (255, 0, 235)),
    ("pot", (245, 0, 255)), ("animal", (255, 0, 122)), ("bicycle", (255, 245, 0)),
    ("lake", (10, 190, 212)), ("dishwasher", (214, 255, 0)), ("screen", (0, 204, 255)),
    ("blanket", (20, 0, 255)), ("sculpture", (255, 255, 0)), ("hood", (0, 153, 255)),
    ("sconce", (0, 41, 255)), ("vase", (0, 255, 204)), ("traffic light", (41, 0, 255)),
    ("tray", (41, 255, 0)), ("ashcan", (173, 0, 255)), ("fan", (0, 245, 255)),
    ("pier", (71, 0, 255)), ("crt screen", (122, 0, 255)), ("plate", (0, 255, 184)),
    ("monitor", (0, 92, 255)), ("bulletin board", (184, 255, 0)),
    ("shower", (0, 133, 255)), ("radiator", (255, 214, 0)), ("glass", (25, 194, 194)),
    ("clock", (102, 255, 0)), ("flag", (92, 0, 255)),
)  # fmt: skip

_VOC2012_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat",
    "chair", "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant",
    "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def _voc_color(label: int) -> tuple[int, int, int]:
    """Returns PASCAL VOC's colour of a label: its bits, spread over the channels."""
    red = green = blue = 0
    for bit in range(7, -1, -1):
        red |= (label & 1) << bit
        green |= (label >> 1 & 1) << bit
        blue |= (label >> 2 & 1) << bit
        label >>= 3
    return red, green, blue


CLASS_SETS: dict[str, ClassSet] = {
    "cityscapes": ClassSet(
        names=tuple(row.name for row in _TRAINED),
        palette=tuple(row.color for row in _TRAINED),
    ),
    "camvid": ClassSet(*zip(*_CAMVID, strict=True)),
    "ade20k": ClassSet(*zip(*_ADE20K, strict=True)),
    "voc2012": ClassSet(
        names=_VOC2012_NAMES,
        palette=tuple(_voc_color(label) for label in range(len(_VOC2012_NAMES))),
    ),
}


def resolve_classes(
    classes: ClassSet | str | int | Sequence[str], *, name: str = "classes"
) -> ClassSet:
    """Returns names and colours of classes, however they are given.

    Args:
        classes: Name of a row of `CLASS_SETS`, such as `"cityscapes"`; a list of
            names; a number of classes; or a `ClassSet`, which is returned.
        name: Name of the argument, for the message.

    Raises:
        InputError: For an unknown name, no class or too many, or a name that is none.
    """
    if isinstance(classes, ClassSet):
        return classes
    if isinstance(classes, int):
        check_argument(name, classes, Annotated[int, Bounds(1, MOST_CLASSES)])
        return generic_class_set(classes)
    if not isinstance(classes, str):
        check_argument(name, classes, Names)
        return ClassSet(tuple(classes), generic_class_set(len(classes)).palette)
    if classes not in CLASS_SETS:
        raise InputError(
            f"{name} names no class set: {classes!r}; give one of "
            f"{sorted(CLASS_SETS)}, a list of names, or a number of classes."
        )
    return CLASS_SETS[classes]


def compare_classes(theirs: ClassSet, ours: ClassSet, file: str, here: str) -> None:
    """Refuses or warns where a model's classes are not those that are meant here.

    Numbers in place of names ("class 3") are no names and agree with all. Another
    number of classes is for the caller to refuse.

    Args:
        theirs: Classes that the model was trained with.
        ours: Those that are meant.
        file: What the model is called in messages.
        here: What has the others, as "the data set streets".

    Raises:
        InputError: If the same names stand in another order.
    """
    generic = generic_class_set(len(ours.names)).names
    if len(theirs.names) != len(ours.names):
        return
    pairs = zip(theirs.names, ours.names, generic, strict=True)
    differing = [
        f"{label} is {one!r} there and {other!r} here"
        for label, (one, other, number) in enumerate(pairs)
        if one != other and number not in (one, other)
    ]
    if not differing:
        return
    sentence = (
        f"Classes of {file} and of {here} differ: {abbreviate(differing)}; name them "
        "in the order that the model was trained with"
    )
    if sorted(theirs.names) == sorted(ours.names):
        raise InputError(f"{sentence}.")
    warnings.warn(f"{sentence}, if they are others.", stacklevel=3)


def generic_class_set(num_classes: int) -> ClassSet:
    """Returns names "class 0", "class 1", ... and PASCAL VOC's colours.

    The first 256 colours are all different.
    """
    names = tuple(f"class {label}" for label in range(num_classes))
    return ClassSet(names, tuple(_voc_color(label) for label in range(num_classes)))


def foreground_classes(named: ClassSet | None = None) -> ClassSet:
    """Returns the two classes of a model of one channel: background and foreground.

    Args:
        named: Both, which are returned, or the foreground alone; `None`, or a number in
            place of its name, for "foreground".
    """
    _, (black, red) = generic_class_set(2)
    if named is None or named == generic_class_set(1):
        return ClassSet(("background", "foreground"), (black, red))
    if len(named.names) != 1:
        return named
    color = named.palette[0]
    return ClassSet(
        ("background", *named.names), (black, red if color == black else color)
    )


def cityscapes_lookup() -> np.ndarray:
    """Table from labelId to trainId: uint8 (256,), 255 for what is not trained on."""
    table = np.full(256, 255, np.uint8)
    for row in _TRAINED:
        table[row.id] = row.train_id
    return table


def cityscapes_train_to_id() -> np.ndarray:
    """Table from trainId to labelId: uint8 (256,), 0 (unlabeled) for other values.

    The official evaluation takes predictions as labelIds.
    """
    table = np.zeros(256, np.uint8)
    for row in _TRAINED:
        table[row.train_id] = row.id
    return table


def ade20k_lookup() -> np.ndarray:
    """Table from ADE20K's annotations, 0 none and 1..150, to classes: uint8 (256,).

    255 for none. Values that are no annotation stay, so that they are found.
    """
    table = np.arange(256, dtype=np.uint8)
    table[0] = 255
    table[1 : len(_ADE20K) + 1] = np.arange(len(_ADE20K))
    return table
