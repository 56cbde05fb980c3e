"""The Cityscapes tree; numbers are rows of RELIABILITY.md."""

import warnings

import numpy as np
import pytest

from harness.image_files import save
from keras_lraspp.data import Cityscapes, read_label
from keras_lraspp.errors import InputError

PIXELS = np.zeros((2, 4, 3), "uint8")


def write_frame(root, stem, *kinds, split="train", image=True, value=7):
    """A frame `aachen_000000_...` with the kinds of label asked for."""
    city = stem.split("_")[0]
    if image:
        save(root / "leftImg8bit" / split / city / f"{stem}_leftImg8bit.png", PIXELS)
    for kind in kinds:
        save(
            root / "gtFine" / split / city / f"{stem}_gtFine_{kind}.png",
            np.full((2, 4), value, "uint8"),
        )


def names(paths):
    return [path.name for path in paths]


def test_pairs_come_in_the_order_of_names(tmp_path):
    for stem in ("bonn_000001_000019", "aachen_000002_000019", "aachen_000001_000019"):
        write_frame(tmp_path, stem, "labelTrainIds", "labelIds", "instanceIds")
    write_frame(tmp_path, "ulm_000000_000019", "labelTrainIds", split="val")
    dataset = Cityscapes(tmp_path)
    stems = ["aachen_000001_000019", "aachen_000002_000019", "bonn_000001_000019"]
    assert names(dataset.images) == [f"{stem}_leftImg8bit.png" for stem in stems]
    assert names(dataset.labels) == [
        f"{stem}_gtFine_labelTrainIds.png" for stem in stems
    ]
    assert dataset.label_lookup is None
    assert (dataset.num_classes, dataset.ignore_label) == (19, 255)
    assert names(Cityscapes(tmp_path, "val").images) == [
        "ulm_000000_000019_leftImg8bit.png"
    ]


def test_a_tree_one_level_deeper_is_found(tmp_path):
    write_frame(tmp_path / "cityscapes", "aachen_1", "labelTrainIds")
    dataset = Cityscapes(tmp_path)
    assert len(dataset) == 1 and dataset.root == tmp_path / "cityscapes"
    write_frame(tmp_path / "other", "aachen_1", "labelTrainIds")
    with pytest.raises(InputError, match="No images match"):
        Cityscapes(tmp_path)  # which of the two?


def test_label_ids_are_mapped_where_train_ids_are_not_complete(tmp_path):
    write_frame(tmp_path, "aachen_000001_000019", "labelTrainIds", "labelIds", value=33)
    write_frame(tmp_path, "aachen_000002_000019", "labelIds", value=7)
    dataset = Cityscapes(tmp_path)
    assert all(label.name.endswith("_labelIds.png") for label in dataset.labels)
    values = [np.unique(read_label(label, dataset)) for label in dataset.labels]
    assert values == [18, 0]  # bicycle, road


def test_the_test_split_has_no_labels(tmp_path):
    write_frame(tmp_path, "berlin_000000_000019", "labelIds", split="test")
    dataset = Cityscapes(tmp_path, "test")
    assert (len(dataset), dataset.labels) == (1, ())


@pytest.mark.parametrize("made", [False, True])
def test_row_1_folder_missing_or_empty(tmp_path, made):
    root = tmp_path / "cityscapes"
    if made:
        (root / "leftImg8bit" / "train" / "aachen").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        Cityscapes(root)
    sentence = str(caught.value)
    assert f"{root}/leftImg8bit/train/*/*_leftImg8bit.png" in sentence
    for advice in ("cityscapes-dataset.com", "--data_root", "quickstart.gin"):
        assert advice in sentence
    assert caught.value.exit_code == 2


def write_seven_of_eight_without_label(root):
    write_frame(root, "aachen_000000_000019", "labelTrainIds")
    for index in range(1, 8):
        write_frame(root, f"aachen_00000{index}_000019")


def test_row_2_image_without_label_fails(tmp_path):
    write_seven_of_eight_without_label(tmp_path)
    with pytest.raises(InputError) as caught:
        Cityscapes(tmp_path)
    sentence = str(caught.value)
    assert sentence.startswith("7 of 8 images have no label")
    shown = [
        index for index in range(8) if f"aachen_00000{index}_000019_left" in sentence
    ]
    assert shown == [1, 2, 3, 4, 5]
    assert "and 2 more" in sentence
    assert "aachen_000001_000019_gtFine_labelTrainIds.png" in sentence
    assert 'missing_label="skip"' in sentence


def test_row_2_image_without_label_is_skipped_where_asked(tmp_path):
    write_seven_of_eight_without_label(tmp_path)
    with pytest.warns(UserWarning, match="7 of 8 images have no label.*left out"):
        dataset = Cityscapes(tmp_path, missing_label="skip")
    assert names(dataset.images) == ["aachen_000000_000019_leftImg8bit.png"]
    assert names(dataset.labels) == ["aachen_000000_000019_gtFine_labelTrainIds.png"]


def test_row_3_label_without_image_warns_with_the_count(tmp_path):
    write_frame(tmp_path, "aachen_000000_000019", "labelTrainIds", "labelIds")
    for index in (1, 2):
        stem = f"aachen_00000{index}_000019"
        write_frame(tmp_path, stem, "labelTrainIds", "labelIds", image=False)
    with pytest.warns(UserWarning, match="^2 labels have no image.*aachen_000001"):
        dataset = Cityscapes(tmp_path)
    assert len(dataset) == 1


def test_a_complete_tree_is_silent(tmp_path):
    write_frame(tmp_path, "aachen_000000_000019", "labelTrainIds", "labelIds")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Cityscapes(tmp_path)


def test_an_unknown_split_is_named(tmp_path):
    with pytest.raises(InputError, match="train.*val.*test.*'trian'"):
        Cityscapes(tmp_path, "trian")
