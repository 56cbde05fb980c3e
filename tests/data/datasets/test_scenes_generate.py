"""`Scenes`: listing, growing, refusing."""

import hashlib
import os

import numpy as np
import pytest
from PIL import Image

from keras_lraspp.data.datasets.scenes import SceneKey, Scenes, draw_scenes, scene_files
from keras_lraspp.errors import InputError, StorageError

SIZE = {"height": 64, "width": 96, "progress": False}


def digests(root):
    return {
        path.relative_to(root): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in ("gtFine", "leftImg8bit")
        for path in (root / folder).rglob("[!.]*.*")
    }


def test_lists_the_split_it_drew(tmp_path):
    counts = {"train_scenes": 3, "val_scenes": 2}
    train = Scenes(tmp_path / "new", "train", **counts, **SIZE)
    val = Scenes(str(tmp_path / "new"), "val", **counts, **SIZE)
    assert (train.name, train.split, train.num_classes) == ("scenes", "train", 19)
    assert train.ignore_label == 255 and train.label_lookup is None
    assert (len(train.images), len(val.images)) == (3, 2)
    assert len(train.labels) == 3
    images, labels = train.images + val.images, train.labels + val.labels
    for image, label in zip(images, labels, strict=True):
        assert Image.open(image).size == Image.open(label).size == (96, 64)
        stem = image.name.removesuffix("_leftImg8bit.png")
        assert label.name == f"{stem}_gtFine_labelTrainIds.png"
    pictures = {Image.open(path).tobytes() for path in images}
    assert len(pictures) == 5


def test_draws_only_what_is_missing(tmp_path):
    assert draw_scenes(tmp_path, {"train": 3}, **SIZE) == 3
    before = digests(tmp_path)
    times = {path: os.stat(tmp_path / path).st_mtime_ns for path in before}
    assert draw_scenes(tmp_path, {"train": 3}, **SIZE) == 0
    assert draw_scenes(tmp_path, {"train": 5, "val": 1}, **SIZE) == 3
    gone = scene_files(tmp_path, SceneKey("train", 4)).polygons
    gone.unlink()
    assert draw_scenes(tmp_path, {"train": 5, "val": 1}, **SIZE) == 1
    assert gone.exists()
    assert {p: os.stat(tmp_path / p).st_mtime_ns for p in before} == times
    # Fewer than there are: the first ones.
    fewer = Scenes(tmp_path, "train", train_scenes=2, **SIZE)
    assert [path.name[:16] for path in fewer.images] == [
        "drawnburg_000000", "drawnburg_000001",
    ]  # fmt: skip


def test_seed_says_which_scenes(tmp_path):
    labels = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        found = Scenes(tmp_path / name, "val", val_scenes=1, seed=seed, **SIZE)
        labels.append(np.asarray(Image.open(found.labels[0])))
    np.testing.assert_array_equal(labels[0], labels[1])
    assert np.mean(labels[0] != labels[2]) > 0.1


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"split": "test"}, "'train', 'val'"),
        ({"height": 63}, "Scenes.height is a whole number from 64 to 8192, not 63"),
        ({"width": 0}, "Scenes.width is .* not 0"),
        ({"width": 128.0}, "Scenes.width is .* not 128.0"),
        ({"height": True}, "Scenes.height is .* not true"),
        ({"seed": "a"}, "Scenes.seed is .* not 'a'"),
        ({"seed": None}, "Scenes.seed is .* not nothing"),
        ({"train_scenes": 0}, "train_scenes is .* not 0"),
        ({"train_scenes": -3}, "train_scenes is .* not -3"),
        ({"train_scenes": 2.5}, "train_scenes is .* not 2.5"),
        ({"split": "val", "val_scenes": 0}, "val_scenes is .* not 0"),
    ],
)
def test_wrong_arguments_are_refused(tmp_path, arguments, match):
    with pytest.raises(InputError, match=match):
        Scenes(tmp_path / "scenes", **arguments)
    assert not (tmp_path / "scenes").exists()


def test_tree_of_another_size_or_seed_is_refused(tmp_path):
    draw_scenes(tmp_path, {"val": 1}, **SIZE)
    before = digests(tmp_path)
    for other in ({"height": 65}, {"width": 128}, {"seed": 1}):
        with pytest.raises(InputError, match=next(iter(other))):
            draw_scenes(tmp_path, {"val": 2}, **(SIZE | other))
    assert digests(tmp_path) == before


def test_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "leftImg8bit").mkdir()
    with pytest.raises(InputError, match="holds files but no scenes.json"):
        Scenes(tmp_path, "train", train_scenes=1, **SIZE)


def test_folder_below_a_file_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="file"):
        Scenes(tmp_path / "file" / "scenes", "train", train_scenes=1, **SIZE)


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_read_only_folder_is_a_storage_error(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="annot"):
            Scenes(tmp_path, "train", train_scenes=1, **SIZE)
    finally:
        tmp_path.chmod(0o700)


def test_tree_that_became_read_only_is_a_storage_error(tmp_path, monkeypatch):
    # What the system says, whoever runs the tests.
    draw_scenes(tmp_path, {"train": 1}, **SIZE)

    def refused(source, target):
        raise OSError(30, "Read-only file system", str(target))

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(StorageError, match="Read-only file system.*another folder"):
        draw_scenes(tmp_path, {"train": 2}, **SIZE)
    monkeypatch.undo()
    # Complete already: nothing needs to be written.
    monkeypatch.setattr(os, "replace", refused)
    assert draw_scenes(tmp_path, {"train": 1}, **SIZE) == 0
