"""ADE20K's benchmark tree."""

import numpy as np
import pytest
from PIL import Image

from harness import trees, warned
from keras_lraspp.data import ADE20K, read_label
from keras_lraspp.errors import InputError


def test_annotations_less_one_and_none_ignored(tmp_path):
    trees.ade20k(tmp_path)
    dataset = ADE20K(tmp_path)
    assert [path.name for path in dataset.images] == [
        "ADE_train_00000001.jpg",
        "ADE_train_00000002.jpg",
    ]
    assert (dataset.num_classes, dataset.ignore_label) == (150, 255)
    for path in dataset.labels:
        values = np.asarray(Image.open(path)).astype(int)
        expected = (values - 1) % 256  # as the reference's bytes wrap around
        np.testing.assert_array_equal(read_label(path, dataset), expected)


def test_a_value_that_is_no_annotation_is_found(tmp_path):
    dataset = ADE20K(trees.ade20k(tmp_path))
    Image.fromarray(np.array([[0, 1, 150, 151, 200]], "uint8")).save(dataset.labels[0])
    assert read_label(dataset.labels[0], dataset).tolist() == [[255, 0, 149, 151, 200]]


def test_the_folder_above_and_the_other_splits(tmp_path):
    trees.ade20k(tmp_path / "ADEChallengeData2016")
    assert len(ADE20K(tmp_path, "val")) == 2
    trees.jpeg(tmp_path / "ADEChallengeData2016/images/testing/ADE_test_1.jpg", 0)
    assert (len(ADE20K(tmp_path, "test")), ADE20K(tmp_path, "test").labels) == (1, ())


def test_row_1_nothing_there(tmp_path):
    with pytest.raises(InputError, match=r"No images match .*images/training/\*.jpg"):
        ADE20K(tmp_path)
    with pytest.raises(InputError, match="'training'"):
        ADE20K(tmp_path, "training")


def test_rows_2_and_3_pairs_that_are_not_complete(tmp_path):
    trees.ade20k(tmp_path)
    label = tmp_path / "annotations/training/ADE_train_00000002.png"
    label.rename(label.with_name("ADE_train_00000003.png"))
    with pytest.raises(InputError, match="1 of 2 images have no label: .*00000002.jpg"):
        ADE20K(tmp_path)
    with pytest.warns(UserWarning) as caught:
        assert len(ADE20K(tmp_path, missing_label="skip")) == 1
    messages = warned.texts(caught)
    assert "1 of 2 images have no label" in messages[0]
    assert messages[1].startswith("1 labels have no image")
