"""The picture of augmented samples: its parts are what a training gets."""

from functools import partial

import numpy as np
import pytest
from PIL import Image

from harness.image_files import classes, noise, save
from keras_lraspp.__main__ import main
from keras_lraspp.data import FileList, recipe_transform, training_batches
from keras_lraspp.data.preview import show
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.palettes import picture_palette
from keras_lraspp.visualize import overlay

CROP, GAP = (20, 30), 8
transform = partial(recipe_transform, crop_size=CROP, scales=(1.0, 1.5), color=0.0)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Six images with labels 0..4, some ignored, and their list."""
    root = tmp_path_factory.mktemp("pairs")
    lines = []
    for index in range(6):
        label = classes(4, 5, seed=index).repeat(8, 0).repeat(8, 1)
        label[:6] = 255
        save(root / f"image_{index}.png", noise(32, 40, seed=index))
        save(root / f"label_{index}.png", label)
        lines.append(f"image_{index}.png label_{index}.png\n")
    (root / "train.txt").write_text("".join(lines))
    return root


dataset = partial(FileList, num_classes=5)


def shown(root, tmp_path, **settings):
    path = tmp_path / "new" / "picture.png"
    given = {"samples": 3, "seed": 4, **settings}
    assert path == show(
        dataset=dataset,
        transform=transform,
        output_path=path,
        data_root=root,
        **given,
    )
    return np.asarray(Image.open(path))


def test_each_row_is_a_sample_of_the_training_and_its_overlay(root, tmp_path, capsys):
    picture = shown(root, tmp_path)
    batches = training_batches(
        dataset(root=root), transform=transform(), batch_size=4, seed=4
    )
    images, labels = next(batches.as_numpy_iterator())
    palette = picture_palette(dataset(root=root).classes)
    for row in range(3):
        top = row * (CROP[0] + GAP)
        band = picture[top : top + CROP[0], : 2 * CROP[1] + GAP]
        np.testing.assert_array_equal(band[:, : CROP[1]], images[row])
        assert (band[:, CROP[1] : -CROP[1]] == 255).all()
        painted = overlay(images[row], labels[row], palette)
        np.testing.assert_array_equal(band[:, -CROP[1] :], painted)
        assert (picture[top + CROP[0] : top + CROP[0] + GAP] == 255).all()
    legend = picture[3 * (CROP[0] + GAP) :]
    for label in np.unique(labels[:3])[:-1]:
        assert (legend == palette[label]).all(-1).any()
    assert "3 augmented samples of" in capsys.readouterr().out


def test_the_seed_decides(root, tmp_path):
    first, again = (shown(root, tmp_path) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != shown(root, tmp_path, seed=5)).any()


def test_large_crops_are_drawn_smaller(root, tmp_path, monkeypatch):
    whole = shown(root, tmp_path, samples=1)
    monkeypatch.setattr("keras_lraspp.data.preview._MOST_WIDE", 15)
    small = shown(root, tmp_path, samples=1)
    np.testing.assert_array_equal(small[:10, :15], whole[:20:2, :30:2])


def test_a_folder_that_cannot_be_written(root, tmp_path):
    (tmp_path / "new").write_text("a file")
    with pytest.raises(StorageError, match="Cannot write .*picture.png"):
        shown(root, tmp_path)


def test_an_image_that_cannot_be_read(tmp_path):
    (tmp_path / "train.txt").write_text("image.png label.png\n")
    save(tmp_path / "label.png", classes(32, 40))
    (tmp_path / "image.png").write_text("no image")
    with pytest.raises(InputError, match=r"image.png.* is not an image"):
        shown(tmp_path, tmp_path)


@pytest.fixture
def config(root, tmp_path):
    path = tmp_path / "mine.gin"
    path.write_text(
        f"""
include "quickstart.gin"
DATASET = @FileList
FileList.num_classes = 5
train.data_root = "{root}"
train.seed = 4
train.transform = @transforms_in_order
transforms_in_order.steps = [@recipe_transform, @rotation_transform, @blur_transform]
recipe_transform.crop_size = (20, 30)
recipe_transform.scales = (1.0, 1.5)
rotation_transform.probability = 0.0
blur_transform.probability = 0.0
recipe_transform.color = 0.0
"""
    )
    return path


def test_the_command_shows_what_the_configuration_trains_on(config, root, tmp_path):
    def picture(name, *flags):
        path = tmp_path / name
        command = ["data", "show", f"--gin_file={config}", f"--output={path}", *flags]
        assert main(command) == 0
        return np.asarray(Image.open(path))

    plain = picture("plain.png", "--samples=2")
    seeded = picture("seeded.png", "--samples=2", "--seed=4", f"--data_root={root}")
    np.testing.assert_array_equal(plain, seeded)
    other = picture("other.png", "--samples=2", "--seed=5")
    assert (other[:20] != plain[:20]).any()
    blurred = picture(
        "blurred.png", "--samples=2", "--gin_bindings", "blur_transform.probability=1.0"
    )
    rough = [
        np.abs(np.diff(p[:20, :30].astype(int), axis=1)).mean()
        for p in (plain, blurred)
    ]
    assert rough[1] < 0.7 * rough[0]
    assert len(picture("four.png")) > len(plain) + 2 * 20


def test_the_command_without_samples(config, capsys):
    assert main(["data", "show", f"--gin_file={config}", "--samples=0"]) == 2
    assert "--samples is at least 1, not 0." in capsys.readouterr().err


def test_a_setting_that_is_refused(config, capsys):
    flags = ["--gin_bindings", "rotation_transform.max_degrees=999"]
    assert main(["data", "show", f"--gin_file={config}", *flags]) == 2
    message = capsys.readouterr().err
    assert (
        "rotation_transform.max_degrees is a number from 0 to 180, not 999;" in message
    )
    assert "In call to configurable" not in message
