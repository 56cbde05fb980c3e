"""A folder of images and a folder of labels."""

import numpy as np
import pytest

from harness.image_files import noise, save
from keras_lraspp.data import FolderPair, read_label
from keras_lraspp.errors import InputError

LABEL = np.array([[0, 1, 2, 255]], np.uint8)


def fill(root, *names, value=LABEL):
    for name in names:
        pixels = value if "label" in name or "mask" in name else noise(1, 4)
        save(root / name, pixels)
    return root


def test_names_with_their_subfolders(tmp_path):
    fill(
        tmp_path, "images/train/b/1.jpg", "images/train/a/1.png", "images/train/2.JPG",
        "labels/train/a/1.png", "labels/train/b/1.png", "labels/train/2.png",
    )  # fmt: skip
    (tmp_path / "images/train/notes.txt").write_text("no image")
    (tmp_path / "images/train/.hidden.png").write_text("no image")
    dataset = FolderPair(tmp_path, num_classes=3)
    shown = [path.relative_to(tmp_path / "images/train") for path in dataset.images]
    assert [str(path) for path in shown] == ["2.JPG", "a/1.png", "b/1.jpg"]
    shown = [path.relative_to(tmp_path / "labels/train") for path in dataset.labels]
    assert [str(path) for path in shown] == ["2.png", "a/1.png", "b/1.png"]


def test_one_folder_and_suffixes(tmp_path):
    fill(tmp_path, "val/1_photo.jpg", "val/1_mask.png", "val/2_photo.jpg")
    fill(tmp_path, "val/2_mask.png")
    same = {"images": "{split}", "labels": "{split}", "label_suffix": "_mask"}
    dataset = FolderPair(
        tmp_path, "val", classes=["a", "b", "c"], image_suffix="_photo", **same
    )
    assert [path.name for path in dataset.images] == ["1_photo.jpg", "2_photo.jpg"]
    assert [path.name for path in dataset.labels] == ["1_mask.png", "2_mask.png"]
    assert dataset.classes.names == ("a", "b", "c")
    for index in (1, 2):
        path = tmp_path / f"val/{index}_photo.jpg"
        path.rename(path.with_name(f"{index}.jpg"))
    dataset = FolderPair(tmp_path, "val", num_classes=3, **same)
    assert [path.name for path in dataset.images] == ["1.jpg", "2.jpg"]


def test_without_labels(tmp_path):
    fill(tmp_path, "images/test/1.png")
    dataset = FolderPair(tmp_path, "test", labels=None, num_classes=3)
    assert (len(dataset), dataset.labels) == (1, ())


def test_what_labels_mean(tmp_path):
    fill(tmp_path, "images/train/1.png", "labels/train/1.png")
    dataset = FolderPair(tmp_path, num_classes=3, label_lookup={0: 2, 2: 0})
    assert read_label(dataset.labels[0], dataset).tolist() == [[2, 255, 0, 255]]
    with pytest.raises(InputError, match="FolderPair needs num_classes or classes"):
        FolderPair(tmp_path)


def test_rows_1_to_3(tmp_path):
    with pytest.raises(
        InputError, match=r"No images match .*images/train/\*\*/\*{.jpg"
    ):
        FolderPair(tmp_path, num_classes=3)
    fill(tmp_path, "images/train/1.png", "images/train/2.png", "labels/train/2.png")
    with pytest.raises(InputError, match="1 of 2 .*expected e.g. .*labels/train/1.png"):
        FolderPair(tmp_path, num_classes=3)
    fill(tmp_path, "labels/train/1.png", "labels/train/9.png")
    with pytest.warns(UserWarning, match="1 labels have no image.*9.png"):
        assert len(FolderPair(tmp_path, num_classes=3)) == 2


def test_two_images_of_one_name(tmp_path):
    fill(tmp_path, "images/train/1.png", "images/train/1.jpg", "labels/train/1.png")
    with pytest.raises(InputError, match="1.jpg and .*1.png have the same name"):
        FolderPair(tmp_path, num_classes=3)
