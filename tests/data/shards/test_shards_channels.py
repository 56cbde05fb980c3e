"""Shards of images that are not RGB."""

import io
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from harness.channels import SIZE, drawn, write_drawn
from harness.image_files import save, write_pairs
from keras_lraspp.data import FileList, Shards, recipe_transform, training_batches
from keras_lraspp.data.shards.tiles import TileSize, encode_tile
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.data.window import Window
from keras_lraspp.errors import InputError

OPTIONS = ShardOptions(tile=TileSize(8, 16), progress=False)


@pytest.fixture(scope="module", params=[1, 2, 4, 6])
def written(request, tmp_path_factory):
    """A data set of files, and the folder of its shards."""
    root = write_drawn(tmp_path_factory.mktemp("files"), request.param, ".npy")
    dataset = FileList(root, num_classes=3, channels=request.param)
    folder = tmp_path_factory.mktemp("parent") / "shards"
    write_shards([dataset], folder, OPTIONS)
    return dataset, folder


def test_shards_hold_what_was_drawn(written):
    dataset, folder = written
    samples = Shards(folder)
    assert samples.channels == dataset.channels and len(samples) == 6
    for index in range(6):
        image, label = drawn(dataset.channels, index)
        got, labels = samples.load(index)
        np.testing.assert_array_equal(got, image)
        np.testing.assert_array_equal(labels, label)
        part = Window(*SIZE, top=7, bottom=20, left=15, right=33)
        got, _ = samples.load_window(index, part)
        np.testing.assert_array_equal(got, image[7:20, 15:33])


def test_the_stream_is_that_of_the_files(written):
    dataset, folder = written
    settings = {"transform": recipe_transform(crop_size=(16, 24)), "batch_size": 3}
    streams = [
        next(training_batches(samples, **settings).take(1).as_numpy_iterator())
        for samples in (dataset, Shards(folder))
    ]
    for files, shards in zip(*streams, strict=True):
        np.testing.assert_array_equal(files, shards)


def test_tensorflow_datasets_reads_the_tiles(written):
    dataset, folder = written
    builder = tfds.builder_from_directory(str(folder))
    row = next(iter(tfds.as_numpy(builder.as_dataset(split="train"))))
    tile = drawn(dataset.channels, int(row["name"].decode()[-5]))[0][:8, :16]
    wide = dataset.channels in (2, 6)
    expected = tile.reshape(8, -1, 1) if wide else tile
    np.testing.assert_array_equal(row["image"][0], expected)


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5])
def test_tiles_are_pngs_that_others_read(channels):
    pixels = drawn(channels, 0)[0][:8, :16]
    picture = Image.open(io.BytesIO(encode_tile(pixels)))
    assert picture.mode == {3: "RGB", 4: "RGBA"}.get(channels, "L")
    np.testing.assert_array_equal(np.asarray(picture).reshape(pixels.shape), pixels)


def test_the_manifest_of_rgb_is_as_it_was(tmp_path):
    write_shards([write_pairs(tmp_path / "files", 1)], tmp_path / "shards", OPTIONS)
    assert "channels" not in json.loads((tmp_path / "shards/shards.json").read_text())
    assert Shards(tmp_path / "shards").channels == 3


def test_a_jpeg_in_colour_is_not_copied_for_grey(tmp_path):
    image, label = drawn(3, 0)
    save(tmp_path / "a.jpg", image)
    save(tmp_path / "a.png", label)
    (tmp_path / "train.txt").write_text("a.jpg a.png\n")
    dataset = FileList(tmp_path, num_classes=3, channels=1)
    write_shards([dataset], tmp_path / "shards", OPTIONS)
    got, _ = Shards(tmp_path / "shards").load(0)
    np.testing.assert_array_equal(got, dataset.load(0)[0])


def test_jpeg_is_for_rgb(written, tmp_path):
    dataset, _ = written
    with pytest.raises(InputError, match=r"channels, which a JPEG .* --encoding=png"):
        write_shards([dataset], tmp_path / "s", OPTIONS._replace(encoding="jpeg"))


def test_a_manifest_that_claims_other_channels_is_refused(written):
    dataset, folder = written
    text = (folder / "shards.json").read_text()
    claim = f'"channels": {dataset.channels}'
    for wrong in ("0", "65", '"4"'):
        changed = text.replace(claim, f'"channels": {wrong}')
        (folder / "shards.json").write_text(changed)
        try:
            with pytest.raises(InputError, match="`channels` is"):
                Shards(folder)
        finally:
            (folder / "shards.json").write_text(text)
