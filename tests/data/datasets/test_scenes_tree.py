"""Scenes on disk: names, contents, what counts as missing."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.classes import CITYSCAPES
from keras_lraspp.data.datasets.scenes import (
    SceneKey,
    SceneSettings,
    missing_scenes,
    scene_files,
    scene_seed,
    write_scene,
)
from keras_lraspp.street_scenes import draw_scene

SETTINGS = SceneSettings(64, 128, 5)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("tree")
    for job in (SceneKey("train", 0), SceneKey("train", 1), SceneKey("val", 0)):
        write_scene(root, SETTINGS, job)
    return root


def test_names_are_those_of_cityscapes(drawn):
    names = {str(path.relative_to(drawn)) for path in drawn.rglob("*.*")}
    stems = ["train/drawnburg/drawnburg_000000_000019",
             "train/drawnburg/drawnburg_000001_000019",
             "val/inkstadt/inkstadt_000000_000019"]  # fmt: skip
    ends = ("labelIds.png", "labelTrainIds.png", "polygons.json")
    expected = {f"leftImg8bit/{stem}_leftImg8bit.png" for stem in stems}
    expected |= {f"gtFine/{stem}_gtFine_{end}" for stem in stems for end in ends}
    assert {name.replace(os.sep, "/") for name in names} == expected


def test_files_hold_the_scene(drawn):
    job = SceneKey("train", 1)
    scene = draw_scene(scene_seed(5, job), 64, 128)
    files = scene_files(drawn, job)
    image, ids, train_ids = (
        Image.open(path) for path in (files.image, files.label_ids, files.train_ids)
    )
    assert (image.mode, ids.mode, train_ids.mode) == ("RGB", "L", "L")
    np.testing.assert_array_equal(image, scene.image)
    np.testing.assert_array_equal(ids, scene.label_ids)
    annotation = json.loads(files.polygons.read_text(encoding="utf-8"))
    assert len(annotation["objects"]) == len(scene.objects)


def test_train_ids_follow_the_official_table(drawn):
    # One class at a time, from the table's rows.
    for job in (SceneKey("train", 0), SceneKey("train", 1), SceneKey("val", 0)):
        files = scene_files(drawn, job)
        ids = np.asarray(Image.open(files.label_ids))
        train_ids = np.asarray(Image.open(files.train_ids))
        rows = {row.id: row.train_id for row in CITYSCAPES}
        for label_id in np.unique(ids):
            train_id = rows[int(label_id)]
            expected = train_id if 0 <= train_id < 19 else 255
            assert set(train_ids[ids == label_id]) == {expected}


def test_seeds_differ_and_stay():
    jobs = [SceneKey(split, k) for split in ("train", "val") for k in range(500)]
    seeds = {scene_seed(seed, job) for seed in (0, 1, 10) for job in jobs}
    assert len(seeds) == 3 * len(jobs)
    # Written down (by sha256sum): a tree drawn today goes on tomorrow.
    assert scene_seed(0, SceneKey("train", 0)) == 0x58FA7E8757E422B4


@pytest.mark.parametrize("field", ["label_ids", "train_ids", "polygons", "image"])
@pytest.mark.parametrize("fault", ["gone", "empty"])
def test_scene_with_a_bad_file_is_missing(tmp_path, field, fault):
    for index in range(3):
        for path in scene_files(tmp_path, SceneKey("val", index)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("x")
    assert missing_scenes(tmp_path, "val", 3) == []
    path = getattr(scene_files(tmp_path, SceneKey("val", 1)), field)
    path.unlink() if fault == "gone" else path.write_text("")
    assert missing_scenes(tmp_path, "val", 4) == [
        SceneKey("val", 1),
        SceneKey("val", 3),
    ]


def test_failed_write_leaves_no_file(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        write_scene(tmp_path, SETTINGS, SceneKey("val", 0))
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
