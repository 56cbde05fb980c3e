"""Splits that are there by other names, in every data set that has names of its own."""

import dataclasses

import pytest

from harness import trees
from harness.image_files import classes, dataset_of, noise, save
from keras_lraspp.data import ADE20K, VOC2012, CamVid, Cityscapes, Shards
from keras_lraspp.data.shards.writer import shards
from keras_lraspp.errors import InputError


def rename(root, *places):
    """Renames what is named as the first of each row, wherever it is."""
    for old, new in places:
        for path in sorted(root.rglob(old)):
            path.rename(path.with_name(new))


def cityscapes(root):
    trees.cityscapes(root)
    rename(root, ("val", "valid"))
    return Cityscapes, "valid"


def coarse(root):
    trees.cityscapes(root, splits=("train_extra", "val"))
    rename(root, ("val", "validation"))
    return Cityscapes, "validation"


def ade20k(root):
    trees.ade20k(root)
    rename(root, ("validation", "val"))
    return ADE20K, "val"


def voc2012(root):
    trees.voc2012(root)
    rename(root, ("val.txt", "validation.txt"))
    return VOC2012, "validation"


def segnet(root):
    trees.camvid_segnet(root)
    rename(root, ("val", "valid"), ("valannot", "validannot"))
    return CamVid, "valid"


def camvid_list(root):
    save(root / "a.png", noise(*trees.SIZE))
    save(root / "a_mask.png", classes(*trees.SIZE))
    (root / "dev.txt").write_text("a.png a_mask.png\n")
    return CamVid, "dev"


def cambridge(root):
    save(root / "701_StillsRaw_full/a.png", noise(*trees.SIZE))
    save(root / "LabeledApproved_full/a_L.png", noise(*trees.SIZE))
    (root / "valid.txt").write_text("a.png\n")
    return CamVid, "valid"


@pytest.mark.parametrize(
    "write", [cityscapes, coarse, ade20k, voc2012, segnet, camvid_list, cambridge]
)
def test_a_split_of_another_name(write, tmp_path):
    reader, word = write(tmp_path)
    with pytest.raises(InputError) as caught:
        reader(tmp_path, "val")
    mend = f'set {reader.__name__}.split_names = {{"val": "{word}"}}.'
    assert str(caught.value).endswith(mend)
    found = reader(tmp_path, "val", split_names={"val": word})
    assert found.split == "val"
    assert len(found.images) == len(found.labels) > 0


def test_coarse_labels_are_found_by_another_name(tmp_path):
    trees.cityscapes(tmp_path, splits=("train_extra",), annotations="gtCoarse")
    rename(tmp_path, ("train_extra", "extra"))
    found = Cityscapes(
        tmp_path, train_splits=("train_extra",), split_names={"train_extra": "extra"}
    )
    assert {path.parts[-4] for path in found.labels} == {"gtCoarse"}
    assert len(found.labels) == len(found.images) > 0


def test_splits_in_shards(tmp_path):
    image = save(tmp_path / "a.png", noise(6, 8))
    label = save(tmp_path / "b.png", classes(6, 8))

    def listed(split):
        return dataclasses.replace(dataset_of([image], [label]), split=split)

    shards(dataset=listed, splits=["test"], output_dir=tmp_path / "shards")
    with pytest.raises(InputError, match=r"has the splits \['test'\], not 'val'"):
        Shards(tmp_path / "shards", "val")
    found = Shards(tmp_path / "shards", "val", split_names={"val": "test"})
    assert (found.split, len(found)) == ("val", 1)
