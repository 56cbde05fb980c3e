"""EXIF orientation of images with labels: one rule for training, scores, prediction."""

import warnings
from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness import trees
from harness.image_files import classes, dataset_of, exif_with, noise, save
from keras_lraspp.data import (
    ADE20K,
    VOC2012,
    CamVid,
    Cityscapes,
    FileList,
    FolderPair,
    Shards,
    check_dataset,
)
from keras_lraspp.data.shards.writer import shards
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError
from keras_lraspp.images import read_image

# What a viewer shows of stored pixels, by NumPy.
SHOWN = {
    1: lambda pixels: pixels,
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: np.rot90(pixels, 1),
}


def write(root, orientation, kind="png", size=(6, 8)):
    """A picture with that orientation, and the mask of what is seen."""
    exif = exif_with(orientation)
    image = save(root / f"image.{kind}", noise(*size), exif=exif)
    with Image.open(image) as stored:
        seen = SHOWN[orientation](np.asarray(stored.convert("RGB")))
    label = save(root / "label.png", classes(*seen.shape[:2]))
    return image, label, seen


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
@pytest.mark.parametrize("orientation", SHOWN)
def test_upright_images_are_what_prediction_sees(orientation, kind, tmp_path):
    image, label, seen = write(tmp_path, orientation, kind)
    dataset = dataset_of([image], [label], orientation="upright")
    pixels, labels = map(np.asarray, dataset.load(0))
    np.testing.assert_array_equal(pixels, seen)
    np.testing.assert_array_equal(pixels, read_image(image))
    np.testing.assert_array_equal(labels, Image.open(label))
    assert dataset.size(0) == seen.shape[:2]
    height, width = seen.shape[:2]
    window = Window(height, width, 1, 4, 2, 5)
    part, part_labels = map(np.asarray, dataset.load_window(0, window))
    np.testing.assert_array_equal(part, seen[1:4, 2:5])
    np.testing.assert_array_equal(part_labels, labels[1:4, 2:5])
    assert check_dataset(dataset) == dataset


@pytest.mark.parametrize("orientation", [2, 3, 4])
def test_stored_pixels_are_taken_where_asked(orientation, tmp_path):
    image, label, _ = write(tmp_path, orientation)
    dataset = dataset_of([image], [label], orientation="stored")
    np.testing.assert_array_equal(dataset.load(0)[0], noise(6, 8))
    assert check_dataset(dataset) == dataset


@pytest.mark.parametrize("size", [(6, 8), (7, 7)])
@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_list_of_files_refuses_them_until_it_is_said(orientation, size, tmp_path):
    write(tmp_path, orientation, size=size)
    (tmp_path / "train.txt").write_text("image.png label.png")
    settings = {"num_classes": 5, "match_names": False}
    with pytest.raises(InputError, match=f"has the EXIF orientation {orientation}[:,]"):
        check_dataset(FileList(tmp_path, **settings))
    dataset = FileList(tmp_path, orientation="upright", **settings)
    assert check_dataset(dataset) == dataset


def test_another_word_is_refused(tmp_path):
    save(tmp_path / "images/train/a.png", noise(6, 8))
    save(tmp_path / "labels/train/a.png", classes(6, 8))
    with pytest.raises(InputError, match="orientation is one of .'refuse', 'warn'"):
        FolderPair(tmp_path, num_classes=5, orientation="up")


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_shards_have_the_pixels_that_training_sees(kind, tmp_path):
    image, label, seen = write(tmp_path, 6, kind)

    def listed(split):
        return dataset_of([image], [label], orientation="upright")

    shards(dataset=listed, splits=["train"], output_dir=tmp_path / "shards")
    pixels, labels = Shards(tmp_path / "shards", "train").load(0)
    np.testing.assert_array_equal(pixels, seen)
    np.testing.assert_array_equal(labels, Image.open(label))


def test_shards_are_not_made_of_what_training_refuses(tmp_path):
    image, label, _ = write(tmp_path, 3)

    def listed(split, orientation):
        return dataset_of([image], [label], orientation=orientation)

    target = tmp_path / "shards"
    settings = {"splits": ["train"], "output_dir": target, "progress": False}
    with pytest.raises(InputError, match="has the EXIF orientation 3, so what is seen"):
        shards(dataset=partial(listed, orientation="refuse"), **settings)
    assert not target.exists()
    with pytest.warns(UserWarning, match="1 of 1 images have an EXIF orientation, but"):
        shards(dataset=partial(listed, orientation="warn"), **settings)
    np.testing.assert_array_equal(Shards(target, "train").load(0)[0], noise(6, 8))


@pytest.mark.parametrize(
    ("reader", "tree"),
    [
        (Cityscapes, trees.cityscapes),
        (ADE20K, trees.ade20k),
        (VOC2012, trees.voc2012),
        (CamVid, trees.camvid_segnet),
    ],
)
def test_every_data_set_of_files_has_the_rule(reader, tree, tmp_path):
    tree(tmp_path)
    settings = {"split": "train", "root": tmp_path}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_dataset(reader(**settings))
    image = reader(**settings).images[0]
    with Image.open(image) as opened:
        pixels = opened.convert("RGB")
    pixels.save(image, exif=exif_with(3))
    with pytest.warns(UserWarning, match="1 of .* have an EXIF orientation, but"):
        check_dataset(reader(**settings))
    with pytest.raises(InputError, match="has the EXIF orientation 3, so what is seen"):
        check_dataset(reader(**settings, orientation="refuse"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stored = check_dataset(reader(**settings, orientation="stored"))
        turned = check_dataset(reader(**settings, orientation="upright"))
    first, second = (np.asarray(dataset.load(0)[0]) for dataset in (stored, turned))
    np.testing.assert_array_equal(second, first[::-1, ::-1])
    with pytest.raises(InputError, match="orientation is one of"):
        reader(**settings, orientation="up")
