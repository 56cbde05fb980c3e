"""Data sets of images that are not RGB: reading, checks, and the training stream."""

import re
from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness.channels import SIZE, drawn, write_drawn
from harness.image_files import classes, dataset_of, exif_with, noise, save, write
from harness.multiband import multiband_tiff, save_bands
from keras_lraspp.data import (
    FileList,
    FolderPair,
    check_dataset,
    evaluation_batches,
    recipe_transform,
    training_batches,
)
from keras_lraspp.data.check import full_check, quick_check
from keras_lraspp.data.dataset import channels_of
from keras_lraspp.data.health import full_check_split
from keras_lraspp.data.preview import contact_sheet, show
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError

KINDS = [(1, ".png"), (1, ".npy"), (3, ".npy"), (4, ".png"), (4, ".tif"), (6, ".tif")]
KINDS += [(2, ".npy"), (64, ".npy")]


@pytest.mark.parametrize(("channels", "suffix"), KINDS)
def test_samples_and_their_regions_are_what_was_drawn(tmp_path, channels, suffix):
    root = write_drawn(tmp_path, channels, suffix)
    dataset = FileList(root, "train", num_classes=3, channels=channels)
    assert channels_of(check_dataset(dataset, progress=False)) == channels
    for index in (0, 5):
        image, label = drawn(channels, index)
        got, labels = map(np.asarray, dataset.load(index))
        assert got.dtype == np.uint8 and dataset.size(index) == SIZE
        np.testing.assert_array_equal(got, image)
        np.testing.assert_array_equal(labels, label)
        part = Window(*SIZE, top=3, bottom=20, left=5, right=9)
        got, labels = map(np.asarray, dataset.load_window(index, part))
        np.testing.assert_array_equal(got, image[3:20, 5:9])
        np.testing.assert_array_equal(labels, label[3:20, 5:9])
        assert full_check(dataset, index).healthy


@pytest.mark.parametrize(
    ("channels", "suffix"), [(1, ".png"), (4, ".tif"), (6, ".npy")]
)
def test_the_first_batch_holds_the_drawn_images(tmp_path, channels, suffix):
    """At scale 1 and in its own size, each augmented image is one that was drawn."""
    dataset = FileList(
        write_drawn(tmp_path, channels, suffix), num_classes=3, channels=channels
    )
    transform = recipe_transform(crop_size=SIZE, scales=(1.0,), flip=0.0, color=0.0)
    batches = training_batches(dataset, transform=transform, batch_size=6, seed=3)
    images, labels = next(batches.take(1).as_numpy_iterator())
    assert images.shape == (6, *SIZE, channels) and images.dtype == np.uint8
    samples = [drawn(channels, index) for index in range(6)]
    order = [
        next(k for k, (image, _) in enumerate(samples) if (image == got).all())
        for got in images
    ]
    assert sorted(order) == [0, 1, 2, 3, 4, 5]
    for place, index in enumerate(order):
        np.testing.assert_array_equal(labels[place], samples[index][1])


@pytest.mark.parametrize("channels", [1, 2, 4, 6])
def test_crops_are_filled_up_in_all_channels(tmp_path, channels):
    dataset = FileList(
        write_drawn(tmp_path, channels, ".npy"), num_classes=3, channels=channels
    )
    transform = recipe_transform(crop_size=(40, 48), scales=(1.0,), flip=0.0, color=0.0)
    batches = training_batches(dataset, transform=transform, batch_size=2)
    images, labels = next(batches.take(1).as_numpy_iterator())
    assert (images[:, 32:] == 127).all() and (images[:, :, 40:] == 127).all()
    assert (labels[:, 32:] == 255).all()


@pytest.mark.parametrize(("channels", "colored"), [(1, 1), (3, 3), (4, 3), (6, 0)])
def test_a_training_changes_the_colours_that_there_are(tmp_path, channels, colored):
    root = write_drawn(tmp_path, channels, ".npy", train_images=2)
    dataset = FileList(root, num_classes=3, channels=channels)
    plain, changed = (
        next(
            training_batches(
                dataset,
                transform=recipe_transform(crop_size=SIZE, color=color),
                batch_size=2,
            )
            .take(1)
            .as_numpy_iterator()
        )[0]
        for color in (0.0, 1.0)
    )
    different = [(plain[..., k] != changed[..., k]).any() for k in range(channels)]
    assert different == [k < colored for k in range(channels)]


def test_scaled_crops_of_channels_are_those_of_each_channel_alone(tmp_path):
    """What RGB gets, six channels get, three and three."""
    root = write_drawn(tmp_path / "six", 6, ".npy")
    for half in (0, 1):
        own = write_drawn(tmp_path / f"half_{half}", 3, ".npy")
        for path in (root / "image").iterdir():
            np.save(own / "image" / path.name, np.load(path)[..., 3 * half :][..., :3])
    settings = {"transform": recipe_transform(crop_size=(20, 24), color=0.0)}
    settings |= {"batch_size": 3, "seed": 4}
    parts = [
        next(
            training_batches(
                FileList(folder, num_classes=3, channels=channels), **settings
            )
            .take(1)
            .as_numpy_iterator()
        )[0]
        for folder, channels in (
            (root, 6),
            (tmp_path / "half_0", 3),
            (tmp_path / "half_1", 3),
        )
    ]
    np.testing.assert_array_equal(parts[0], np.concatenate(parts[1:], axis=-1))


def test_evaluation_sees_whole_images_of_all_channels(tmp_path):
    root = write_drawn(tmp_path, 4, ".png")
    dataset = FileList(root, "val", num_classes=3, channels=4)
    for index, (images, _) in enumerate(evaluation_batches(dataset)):
        np.testing.assert_array_equal(images[0], drawn(4, 100 + index)[0])


def test_folders_of_numpy_files(tmp_path):
    image, label = drawn(5, 0)
    save_bands(tmp_path / "images/train/a.npy", image)
    save(tmp_path / "labels/train/a.png", label)
    dataset = FolderPair(tmp_path, "train", num_classes=3, channels=5)
    np.testing.assert_array_equal(dataset.load(0)[0], image)


def turned_image(folder, name, orientation):
    """An image of 12x20 pixels with an EXIF orientation, and its pixels as stored."""
    rgb = noise(12, 20)
    if name == "rgb.tif":
        return save(folder / name, rgb, exif=exif_with(orientation)), rgb
    if name == "a.png":
        pixels = np.concatenate([rgb, rgb[..., :1]], axis=-1)
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = folder / name
        Image.fromarray(pixels).save(path, exif=exif)
    else:
        pixels = np.concatenate([rgb, 255 - rgb], axis=-1)
        content = multiband_tiff(pixels, orientation=orientation)
        path = write(folder / name, content)
    return path, pixels


@pytest.mark.parametrize("name", ["a.png", "a.tif", "rgb.tif"])
def test_the_orientation_turns_all_channels(tmp_path, name):
    path, pixels = turned_image(tmp_path, name, 6)
    upright = save(tmp_path / "upright.png", classes(20, 12))
    stored = save(tmp_path / "stored.png", classes(12, 20))
    settings = {"channels": pixels.shape[2], "num_classes": 5}
    dataset = dataset_of([path], [upright], orientation="upright", **settings)
    assert dataset.size(0) == (20, 12) and quick_check(dataset, 0).healthy
    np.testing.assert_array_equal(dataset.load(0)[0], np.rot90(pixels, -1))
    dataset = dataset_of([path], [stored], orientation="stored", **settings)
    assert dataset.size(0) == (12, 20) and quick_check(dataset, 0).healthy
    np.testing.assert_array_equal(dataset.load(0)[0], pixels)
    dataset = dataset_of([path], [stored], orientation="refuse", **settings)
    for check in (quick_check, full_check):
        assert "EXIF orientation 6" in check(dataset, 0).fault
    dataset = dataset_of([path], [upright], orientation="stored", **settings)
    with pytest.raises(InputError, match="orientation 6: save it upright"):
        dataset.load(0)


@pytest.mark.parametrize("check", [quick_check, full_check])
@pytest.mark.parametrize(
    ("name", "channels", "message"),
    [
        ("a.png", 4, r"has 3 channels \(RGB\), not 4; set channels = 3"),
        ("a.png", 6, "not 6"),
        ("a.npy", 4, "has 3 channels, not 4"),
        ("a.npy", 1, "has 3 channels, not 1"),
    ],
)
def test_images_of_other_channels_are_found_before_training(
    tmp_path, check, name, channels, message
):
    image = save_bands(tmp_path / name, noise(6, 8))
    label = save(tmp_path / "label.png", classes(6, 8))
    report = check(dataset_of([image], [label], channels=channels), 0)
    assert re.search(message, report.fault)


def test_damage_of_bands_is_found_before_training(tmp_path):
    content = multiband_tiff(np.dstack([noise(9, 9)] * 2), compression=8, t279=[3, 3])
    image = write(tmp_path / "a.tif", content)
    label = save(tmp_path / "label.png", classes(9, 9))
    dataset = dataset_of([image], [label], channels=6)
    assert "is damaged" in quick_check(dataset, 0).damage


@pytest.mark.parametrize("channels", [0, 65, "4", 3.0])
def test_how_many_channels_there_may_be(tmp_path, channels):
    root = write_drawn(tmp_path, 1, ".png")
    with pytest.raises(InputError, match="FileList.channels is"):
        FileList(root, num_classes=3, channels=channels)


def test_a_data_set_that_says_nothing_is_of_rgb():
    class Plain:
        pass

    assert channels_of(Plain()) == 3


@pytest.mark.parametrize("channels", [1, 6])
def test_pictures_show_three_of_the_channels(tmp_path, channels):
    root = write_drawn(tmp_path, channels, ".npy")
    dataset = partial(FileList, num_classes=3, channels=channels)
    transform = partial(recipe_transform, crop_size=SIZE, scales=(1.0,), color=0.0)
    path = show(
        dataset=dataset,
        transform=transform,
        data_root=root,
        samples=2,
        output_path=tmp_path / "shown.png",
    )
    picture = np.asarray(Image.open(path))[: SIZE[0], : SIZE[1]]
    images = [drawn(channels, index)[0][..., :3] for index in range(6)]
    images += [image[:, ::-1] for image in images]
    assert any((image == picture).all() for image in images)
    split = full_check_split(partial(dataset, root), "train", progress=False)
    assert contact_sheet([split], tmp_path / "sheet.png")
