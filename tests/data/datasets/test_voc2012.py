"""PASCAL VOC 2012, with and without SBD's masks."""

import numpy as np
import pytest

from harness import trees
from harness.image_files import classes
from keras_lraspp.data import VOC2012, read_label
from keras_lraspp.errors import InputError


def stems(paths):
    return [path.stem for path in paths]


def test_a_split_is_what_its_list_says(tmp_path):
    dataset = VOC2012(trees.voc2012(tmp_path), "train")
    assert stems(dataset.images) == ["2007_000032", "2007_000039"]
    assert stems(dataset.labels) == stems(dataset.images)
    assert (dataset.num_classes, dataset.ignore_label) == (21, 255)
    expected = classes(*trees.SIZE, 21, seed=len("2007_000032"))
    expected[0] = 255
    np.testing.assert_array_equal(read_label(dataset.labels[0], dataset), expected)
    assert stems(VOC2012(tmp_path, "val").images) == ["2007_1", "2007_2"]


@pytest.mark.parametrize("above", ["", "VOC2012", "VOCdevkit/VOC2012"])
def test_the_folder_may_be_one_above(tmp_path, above):
    trees.voc2012(tmp_path / "here" / above)
    assert len(VOC2012(tmp_path / "here")) == 2


@pytest.mark.parametrize("whole", [True, False], ids=["trainaug.txt", "aug.txt"])
def test_the_augmented_split(tmp_path, whole):
    trees.voc2012(tmp_path)
    folder = tmp_path / "ImageSets/Segmentation"
    for stem in ("2008_000001", "2008_000002"):
        trees.save_palette(
            tmp_path / f"SegmentationClassAug/{stem}.png", classes(*trees.SIZE, 21)
        )
    if whole:  # as DeepLab's list
        lines = [
            f"/JPEGImages/{stem}.jpg /SegmentationClassAug/{stem}.png"
            for stem in ("2007_000032", "2007_000039", "2008_000001", "2008_000002")
        ]
        (folder / "trainaug.txt").write_text("\n".join(lines))
    else:
        (folder / "aug.txt").write_text("2008_000001\n2008_000002\n")
    dataset = VOC2012(tmp_path, augmented=True)
    assert stems(dataset.images)[2:] == ["2008_000001", "2008_000002"]
    folders = [path.parent.name for path in dataset.labels]
    assert folders == ["SegmentationClass"] * 2 + ["SegmentationClassAug"] * 2
    assert len(VOC2012(tmp_path)) == 2
    assert len(VOC2012(tmp_path, "val", augmented=True)) == 2


def test_what_is_missing_is_said(tmp_path):
    with pytest.raises(InputError, match="There is no .*ImageSets/Segmentation"):
        VOC2012(tmp_path)
    trees.voc2012(tmp_path)
    with pytest.raises(InputError, match="prepare voc --data_root=.*augmented = False"):
        VOC2012(tmp_path, augmented=True)
    with pytest.raises(InputError, match="Cannot read .*trainval.txt"):
        VOC2012(tmp_path, "trainval")
    (tmp_path / "SegmentationClass/2007_1.png").unlink()
    with pytest.raises(InputError, match="1 of 2 images have no label: .*2007_1.jpg"):
        VOC2012(tmp_path, "val")
    (tmp_path / "JPEGImages/2007_000032.jpg").unlink()
    with pytest.raises(InputError, match="1 of 2 images of voc2012 train do not exist"):
        VOC2012(tmp_path)


def test_the_test_split_has_no_labels(tmp_path):
    trees.voc2012(tmp_path)
    (tmp_path / "ImageSets/Segmentation/test.txt").write_text("2008_000001\n")
    assert VOC2012(tmp_path, "test").labels == ()
