"""Lists of `image label` lines."""

import numpy as np
import pytest

from harness.image_files import noise, save
from keras_lraspp.classes import cityscapes_lookup
from keras_lraspp.data import FileList
from keras_lraspp.data.label_spec import read_label
from keras_lraspp.errors import InputError

LABEL = np.array([[0, 1, 2, 255]], np.uint8)


@pytest.fixture
def root(tmp_path):
    for name in ("a", "b", "c d"):
        save(tmp_path / f"images/{name}.png", noise(1, 4))
        save(tmp_path / f"labels/{name}.png", LABEL)
    lines = "# comment\nimages/a.png labels/a.png\n\nimages/b.png\tlabels/b.png\n"
    (tmp_path / "train.txt").write_text(lines)
    return tmp_path


def test_pairs_in_the_order_of_the_list(root):
    dataset = FileList(root, num_classes=3)
    assert dataset.images == (root / "images/a.png", root / "images/b.png")
    assert dataset.labels == (root / "labels/a.png", root / "labels/b.png")
    assert dataset.classes.names == ("class 0", "class 1", "class 2")


def test_another_list_absolute_paths_and_separator(root, tmp_path_factory):
    path = tmp_path_factory.mktemp("lists") / "val.csv"
    line = f"{root}/images/c d.png , {root}/labels/c d.png\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + line.encode())  # as Windows writes it
    dataset = FileList(
        root, "val", list_file=f"{path.parent}/{{split}}.csv", separator=",",
        num_classes=3,
    )  # fmt: skip
    assert dataset.images == (root / "images/c d.png",)
    assert dataset.labels == (root / "labels/c d.png",)


def test_images_alone_are_a_split_without_labels(root):
    (root / "test.txt").write_text("images/a.png\nimages/b.png\n")
    dataset = FileList(root, "test", num_classes=3)
    assert len(dataset) == 2 and dataset.labels == ()


def test_classes_by_name(root):
    assert FileList(root, classes="camvid").num_classes == 11
    dataset = FileList(root, classes=["road", "sky", "rest"], num_classes=3)
    assert dataset.classes.names == ("road", "sky", "rest")


LOOKUPS = {
    "cityscapes": ("cityscapes", [255, 255, 255, 255]),
    "an array": (cityscapes_lookup(), [255, 255, 255, 255]),
    "a mapping": ({0: 2, 2: 0}, [2, 255, 0, 255]),
    "a sequence": ([1, 0, 2] + [255] * 253, [1, 0, 2, 255]),
}


@pytest.mark.parametrize("case", LOOKUPS)
def test_what_values_mean(root, case):
    lookup, wanted = LOOKUPS[case]
    dataset = FileList(root, num_classes=19, label_lookup=lookup)
    assert read_label(dataset.labels[0], dataset).tolist() == [wanted]


def test_row_1_no_list(tmp_path):
    with pytest.raises(InputError) as caught:
        FileList(tmp_path / "nowhere", "val", num_classes=3)
    assert f"Cannot read {tmp_path}/nowhere/val.txt" in str(caught.value)
    assert "--data_root" in str(caught.value)


def test_row_1_an_empty_list(root):
    (root / "train.txt").write_text("# nothing\n\n")
    with pytest.raises(InputError, match="train.txt is empty; write `image label`"):
        FileList(root, num_classes=3)


def test_row_1_images_that_do_not_exist(root):
    (root / "train.txt").write_text("images/a.png labels/a.png\nx.png labels/b.png\n")
    with pytest.raises(InputError, match="1 of 2 images in .*do not exist: .*/x.png"):
        FileList(root, num_classes=3)


def test_a_heading_is_recognised(root):
    rows = "image label\nimages/a.png labels/a.png\nimages/b.png labels/b.png\n"
    (root / "train.txt").write_text(rows)
    with pytest.raises(InputError, match="if the first line is a heading, begin"):
        FileList(root, num_classes=3)


def test_lists_of_other_systems_are_read(root):
    rows = "/images/a.png /labels/a.png\nimages\\b.png labels\\b.png\n"
    (root / "train.txt").write_text(rows)
    dataset = FileList(root, num_classes=3)
    assert dataset.images == (root / "images/a.png", root / "images/b.png")
    assert dataset.labels == (root / "labels/a.png", root / "labels/b.png")


def test_row_2_labels_that_do_not_exist(root):
    (root / "labels/a.png").unlink()
    with pytest.raises(InputError, match="1 of 2 images have no label: .*images/a.png"):
        FileList(root, num_classes=3)
    with pytest.warns(UserWarning, match="1 of 2 images"):
        dataset = FileList(root, num_classes=3, missing_label="skip")
    assert dataset.images == (root / "images/b.png",)
    assert dataset.labels == (root / "labels/b.png",)


def test_row_12_a_shuffled_list(root):
    swapped = "images/a.png labels/b.png\nimages/b.png labels/a.png\n"
    (root / "train.txt").write_text(swapped)
    with pytest.raises(InputError, match="2 of 2 pairs .*disagree: a.png with b.png"):
        FileList(root, num_classes=3)
    dataset = FileList(root, num_classes=3, match_names=False)
    assert dataset.labels[0] == root / "labels/b.png"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("images/a.png labels/a.png x\n", "line 1 has 3 columns.*FileList.separator"),
        ("images/c d.png labels/c d.png\n", "line 1 has 4 columns"),
        ("images/a.png labels/a.png\nimages/b.png\n", "line 2 has 1 columns"),
    ],
)
def test_lines_with_other_columns(root, lines, says):
    (root / "train.txt").write_text(lines)
    with pytest.raises(InputError, match=says):
        FileList(root, num_classes=3)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "needs num_classes or classes; set one"),
        ({"classes": "citiscapes"}, "no class set: 'citiscapes'; give one of .*camvid"),
        ({"classes": "camvid", "num_classes": 12}, "is 12 but classes has 11 names"),
        ({"num_classes": 3, "label_lookup": "x"}, "a mapping or a sequence, not 'x'"),
        (
            {"num_classes": 3, "label_lookup": {}, "ignore_label": None},
            "set ignore_label, or give a sequence",
        ),
        ({"num_classes": 3, "ignore_label": 2}, "ignore_label 2 of files is not above"),
        ({"num_classes": 3, "color_map": [(1, 2, 3)]}, r"color_map .*\(1, 2, 3\)"),
    ],
)
def test_settings_that_cannot_be(root, settings, says):
    with pytest.raises(InputError, match=says):
        FileList(root, **settings)


def test_a_list_that_is_no_text(root):
    (root / "train.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="train.txt is not UTF-8 text; name"):
        FileList(root, num_classes=3)
