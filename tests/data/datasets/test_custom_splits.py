"""Splits of one's own data: other names, and a part that is held out."""

import numpy as np
import pytest

from harness.image_files import noise, save
from keras_lraspp.data import FileList, FolderPair
from keras_lraspp.errors import InputError

LABEL = np.array([[0, 1, 2, 255]], np.uint8)


def write_images(root, names, folder="{}"):
    for name in names:
        save(root / folder.format("images") / f"{name}.png", noise(1, 4))
        save(root / folder.format("labels") / f"{name}.png", LABEL)


def names_of(dataset):
    return {path.stem for path in dataset.images}


def as_list(root, names, file="all.txt"):
    write_images(root, names)
    rows = "".join(f"images/{name}.png labels/{name}.png\n" for name in names)
    (root / file).write_text(rows)


def test_a_part_is_held_out_by_its_names(tmp_path):
    first = {f"photo_{number}" for number in range(200)}
    as_list(tmp_path, sorted(first))
    settings = {"num_classes": 3, "holdout": 0.2}

    def listed(split):
        return FileList(tmp_path, split, list_file="all.txt", **settings)

    def paired(split):
        return FolderPair(tmp_path, split, images="images", labels="labels", **settings)

    held_out = {}
    for read in (listed, paired):
        train, val = (names_of(read(split)) for split in ("train", "val"))
        assert train | val == first and not train & val
        assert 20 <= len(val) <= 60  # of 40, at most 3.5 standard deviations away
        held_out[read] = val
    # Others are added in front and behind: nobody changes sides.
    as_list(tmp_path, sorted(first | {f"a_{k}" for k in range(50)} | {"zebra"}))
    for read, val in held_out.items():
        assert names_of(read("val")) & first == val
    dataset = paired("val")
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert image.stem == label.stem


def test_the_test_split_is_no_part_of_it(tmp_path):
    as_list(tmp_path, ["a", "b"], "test.txt")
    assert len(FileList(tmp_path, "test", num_classes=3, holdout=0.5)) == 2


@pytest.mark.parametrize("share", [0, 1, -0.1, "x", float("nan")])
def test_a_share_that_is_none(share, tmp_path):
    as_list(tmp_path, ["a", "b"], "train.txt")
    with pytest.raises(InputError, match="holdout is a number from 0.001 to 0.999"):
        FileList(tmp_path, num_classes=3, holdout=share)


def test_too_few_images_to_hold_out(tmp_path):
    as_list(tmp_path, ["a"], "train.txt")
    with pytest.raises(InputError, match="holdout=0.001 leaves none of 1 images for"):
        FileList(tmp_path, "val", num_classes=3, holdout=0.001)


@pytest.mark.parametrize(
    ("split", "word"), [("val", "valid"), ("val", "validation"), ("train", "training")]
)
def test_splits_of_other_names(split, word, tmp_path):
    as_list(tmp_path, ["a"], f"{word}.txt")
    write_images(tmp_path, ["a"], f"{{}}/{word}")
    for reader in (FileList, FolderPair):
        with pytest.raises(InputError) as caught:
            reader(tmp_path, split, num_classes=3)
        mend = f'set {reader.__name__}.split_names = {{"{split}": "{word}"}}.'
        assert str(caught.value).endswith(mend)
        found = reader(tmp_path, split, num_classes=3, split_names={split: word})
        assert (len(found), found.split) == (1, split)


def test_a_validation_split_that_is_missing_is_named(tmp_path):
    as_list(tmp_path, ["a"], "train.txt")
    write_images(tmp_path, ["a"], "{}/train")
    for reader in (FileList, FolderPair):
        message = f"for the validation split; .* {reader.__name__}.holdout = 0.1"
        with pytest.raises(InputError, match=message):
            reader(tmp_path, "val", num_classes=3)
