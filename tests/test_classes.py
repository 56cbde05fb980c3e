"""The tables of classes against the official one, written down a second time."""

import numpy as np
import pytest

from keras_lraspp.classes import (
    CITYSCAPES,
    CLASS_SETS,
    ClassCard,
    ade20k_lookup,
    cityscapes_lookup,
    cityscapes_train_to_id,
    generic_class_set,
    resolve_classes,
)
from keras_lraspp.errors import InputError
from keras_lraspp.schema import check_value

# labelId, trainId, name, colour: cityscapesscripts/helpers/labels.py.
TRAINED = (
    (7, 0, "road", (128, 64, 128)),
    (8, 1, "sidewalk", (244, 35, 232)),
    (11, 2, "building", (70, 70, 70)),
    (12, 3, "wall", (102, 102, 156)),
    (13, 4, "fence", (190, 153, 153)),
    (17, 5, "pole", (153, 153, 153)),
    (19, 6, "traffic light", (250, 170, 30)),
    (20, 7, "traffic sign", (220, 220, 0)),
    (21, 8, "vegetation", (107, 142, 35)),
    (22, 9, "terrain", (152, 251, 152)),
    (23, 10, "sky", (70, 130, 180)),
    (24, 11, "person", (220, 20, 60)),
    (25, 12, "rider", (255, 0, 0)),
    (26, 13, "car", (0, 0, 142)),
    (27, 14, "truck", (0, 0, 70)),
    (28, 15, "bus", (0, 60, 100)),
    (31, 16, "train", (0, 80, 100)),
    (32, 17, "motorcycle", (0, 0, 230)),
    (33, 18, "bicycle", (119, 11, 32)),
)
IGNORED = (0, 1, 2, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 29, 30, 34, 100, 255)


def test_lookup_is_the_official_map():
    table = cityscapes_lookup()
    assert (table.shape, table.dtype) == ((256,), np.uint8)
    assert [table[row[0]] for row in TRAINED] == list(range(19))
    assert {int(table[value]) for value in IGNORED} == {255}
    assert (table != 255).sum() == 19


def test_train_ids_go_back_to_label_ids():
    table = cityscapes_train_to_id()
    assert [table[row[1]] for row in TRAINED] == [row[0] for row in TRAINED]
    assert not table[19:].any()


def test_class_set_has_the_official_names_and_colours():
    classes = CLASS_SETS["cityscapes"]
    assert classes.names == tuple(row[2] for row in TRAINED)
    assert classes.palette == tuple(row[3] for row in TRAINED)


def test_table_has_all_35_rows():
    assert [row.id for row in CITYSCAPES] == [*range(34), -1]
    assert CITYSCAPES[-1].name == "license plate"


def test_camvid_has_11_classes_with_colours_of_their_own():
    classes = CLASS_SETS["camvid"]
    assert " ".join(classes.names) == (
        "sky building pole road pavement tree sign fence car pedestrian bicyclist"
    )
    assert len(set(classes.palette)) == 11


# The first colours of PASCAL VOC's devkit, and the one of its void label.
@pytest.mark.parametrize(
    ("label", "color"),
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (2, (0, 128, 0)),
        (3, (128, 128, 0)),
        (4, (0, 0, 128)),
        (8, (64, 0, 0)),
        (15, (192, 128, 128)),
        (20, (0, 64, 128)),
        (255, (224, 224, 192)),
    ],
)
def test_generic_colours_are_those_of_voc(label, color):
    assert generic_class_set(256).palette[label] == color


def test_generic_classes_differ():
    classes = generic_class_set(256)
    assert len(set(classes.palette)) == len(set(classes.names)) == 256
    assert generic_class_set(2).names == ("class 0", "class 1")


def test_ade20k_is_the_official_table():
    classes = CLASS_SETS["ade20k"]
    assert len(classes.names) == len(set(classes.names)) == len(classes.palette) == 150
    # objectInfo150.txt, lines 1, 21, 75, 137 and 150; color150.mat.
    for number, name, color in (
        (1, "wall", (120, 120, 120)),
        (21, "car", (0, 102, 200)),
        (75, "computer", (0, 255, 173)),
        (137, "traffic light", (41, 0, 255)),
        (150, "flag", (92, 0, 255)),
    ):
        assert classes.names[number - 1] == name
        assert classes.palette[number - 1] == color


def test_ade20k_annotations_become_classes():
    table = ade20k_lookup()
    assert table[0] == table[255] == 255
    assert table[1:151].tolist() == list(range(150))
    assert table[151:255].tolist() == list(range(151, 255))  # to be found as illegal


def test_voc2012_is_the_official_table():
    classes = CLASS_SETS["voc2012"]
    assert len(classes.names) == len(classes.palette) == 21
    for label, name, color in (
        (0, "background", (0, 0, 0)),
        (1, "aeroplane", (128, 0, 0)),
        (7, "car", (128, 128, 128)),
        (15, "person", (192, 128, 128)),
        (20, "tvmonitor", (0, 64, 128)),
    ):
        assert (classes.names[label], classes.palette[label]) == (name, color)


@pytest.mark.parametrize(
    "classes, message",
    [
        (0, "classes is a whole number from 1 to 65536, not 0; correct it."),
        (-1, "not -1"),
        (10**12, "not 1000000000000"),
        (True, "classes is a whole number from 1 to 65536, not true"),
        (2.5, "classes is a list of length from 1 to 65536, not 2.5"),
        (float("nan"), "not nan"),
        ([], "not a list of 0"),
        (["road", 1], r"classes\[1\] is text of length from 1 to 1000, not 1"),
        (["road", ""], r"classes\[1\] is text"),
        (["road", "sky\x1b[2J"], r"not 'sky\\x1b\[2J'"),
        ({"road": 0}, "not an object of 1"),
        ("cityscape", "classes names no class set: 'cityscape'"),
    ],
)
def test_what_are_no_classes_is_refused(classes, message):
    with pytest.raises(InputError, match=message):
        resolve_classes(classes)
    assert resolve_classes(["a", "b"]).names == resolve_classes(("a", "b")).names


def test_metadata_name_and_colour_each_class():
    card = {"classes": ["a", "b"], "palette": [[1, 2, 3], [4, 5, 255]]}
    read = check_value(card, ClassCard, "x", mend="get it again").class_set
    assert read == (("a", "b"), ((1, 2, 3), (4, 5, 255)))
    for changes, message in (
        ({"palette": [[1, 2, 3]]}, "x is wrong: it has 2 classes, but 1 colours; get"),
        ({"palette": [[1, 2, 3], [4, 5, 256]]}, r"`palette\[1\]\[2\]` is 256, not"),
        ({"classes": []}, "`classes` is a list of 0"),
    ):
        with pytest.raises(InputError, match=message):
            check_value({**card, **changes}, ClassCard, "x", mend="get it again")
