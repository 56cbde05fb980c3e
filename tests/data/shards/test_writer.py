"""Shards hold what the data set holds, and others can read them."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from PIL import Image

from harness.image_files import classes, dataset_of, noise, save, write_pairs
from keras_lraspp.data import Shards, evaluation_batches
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.errors import InputError

SIZE = (21, 34)
OPTIONS = ShardOptions(tile=TileSize(8, 16), progress=False)


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "files", 7, size=SIZE)


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_samples_are_exact_and_in_order(pairs, tmp_path, file_format):
    small = OPTIONS._replace(file_format=file_format, file_bytes=6000, workers=3)
    manifest = write_shards([pairs], tmp_path / "shards", small)
    files = manifest.splits["train"].files
    assert len(files) > 1 and sum(file.records for file in files) == len(pairs)
    shards = Shards(tmp_path / "shards", checksums=True)
    assert len(shards) == len(pairs)
    assert shards.classes == pairs.classes and shards.name == pairs.name
    for index in range(len(pairs)):
        for found, expected in zip(shards.load(index), pairs.load(index), strict=True):
            np.testing.assert_array_equal(found, expected)
            assert np.asarray(found).dtype == np.asarray(expected).dtype
    assert shards.source(3).endswith(place_of(3, files, file_format))
    chosen = shards.select([5, 1])
    np.testing.assert_array_equal(chosen.load(0)[0], pairs.load(5)[0])


def place_of(number, files, file_format):
    """How the end of a record's name should read."""
    if file_format == "array_record":  # one sequence over all files
        return f"train record {number}"
    for file in files:
        if number < file.records:
            return f"{file.name} record {number}"
        number -= file.records


def test_tensorflow_datasets_reads_them(pairs, tmp_path):
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    builder = tfds.builder_from_directory(str(tmp_path / "shards"))
    rows = list(builder.as_dataset(split="train").as_numpy_iterator())
    assert len(rows) == len(pairs)
    by_name = {row["name"].decode(): row for row in rows}
    row = by_name[pairs.source(2)]
    assert (row["height"], row["width"]) == SIZE
    tiles = row["image"].reshape(3, 3, 8, 16, 3).transpose(0, 2, 1, 3, 4)
    image = tiles.reshape(24, 48, 3)[: SIZE[0], : SIZE[1]]
    np.testing.assert_array_equal(image, pairs.load(2)[0])


def test_tensorflow_datasets_reads_array_records_and_whole_jpegs(tmp_path):
    images = [save(tmp_path / f"{i}.jpg", noise(*SIZE, seed=i)) for i in range(3)]
    labels = [save(tmp_path / f"{i}.png", classes(*SIZE, seed=i)) for i in range(3)]
    options = OPTIONS._replace(file_format="array_record")
    write_shards([dataset_of(images, labels)], tmp_path / "shards", options)
    builder = tfds.builder_from_directory(str(tmp_path / "shards"))
    row = builder.as_data_source(split="train")[1]
    assert row["name"] == str(images[1]).encode()
    (image,), tiles = row["image"], np.stack(row["label"])
    with Image.open(images[1]) as expected:
        np.testing.assert_array_equal(image, expected)
    label = tiles.reshape(3, 3, 8, 16).transpose(0, 2, 1, 3).reshape(24, 48)
    np.testing.assert_array_equal(label[: SIZE[0], : SIZE[1]], classes(*SIZE, seed=1))


def test_jpegs_stay_what_they_are(tmp_path):
    image = save(tmp_path / "a.jpg", noise(*SIZE), quality=90)
    label = save(tmp_path / "a.png", classes(*SIZE))
    pairs = dataset_of([image], [label])
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    np.testing.assert_array_equal(
        Shards(tmp_path / "shards").load(0)[0], pairs.load(0)[0]
    )
    content = next((tmp_path / "shards").glob("*.tfrecord*")).read_bytes()
    assert image.read_bytes() in content


def test_many_classes_stay_exact(tmp_path):
    rng = np.random.default_rng(0)
    values = rng.choice([0, 7, 256, 299, 65535], SIZE).astype(np.uint16)
    pairs = dataset_of(
        [save(tmp_path / "a.png", noise(*SIZE))],
        [save(tmp_path / "l.png", values)],
        num_classes=300,
        ignore_label=65535,
    )
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    found = Shards(tmp_path / "shards")
    assert (found.num_classes, found.ignore_label) == (300, 65535)
    np.testing.assert_array_equal(found.load(0)[1], values)
    ((_, labels),) = evaluation_batches(found).as_numpy_iterator()
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels[0], values)


def test_the_lossy_encoding_is_close_and_small(tmp_path):
    smooth = np.linspace(0, 255, SIZE[0] * SIZE[1] * 3).reshape(*SIZE, 3)
    image = save(tmp_path / "a.png", smooth.astype(np.uint8))
    label = save(tmp_path / "l.png", classes(*SIZE))
    pairs = dataset_of([image], [label])
    write_shards([pairs], tmp_path / "shards", OPTIONS._replace(encoding="jpeg"))
    found, labels = Shards(tmp_path / "shards").load(0)
    gap = np.asarray(found, int) - np.asarray(pairs.load(0)[0], int)
    assert 0 < np.abs(gap).max() < 12
    np.testing.assert_array_equal(labels, pairs.load(0)[1])


def test_bad_arguments(pairs, tmp_path):
    for changes, said in [
        ({"encoding": "webp"}, "encoding is png or jpeg, not 'webp'"),
        ({"file_format": "zip"}, "file_format is tfrecord or array_record"),
    ]:
        with pytest.raises(InputError, match=said):
            write_shards([pairs], tmp_path / "shards", OPTIONS._replace(**changes))
    unlabelled = dataset_of(pairs.images, split="test")
    with pytest.raises(InputError, match="test has no labels"):
        write_shards([unlabelled], tmp_path / "shards", OPTIONS)
    assert not (tmp_path / "shards").exists()


@pytest.mark.parametrize("name", ["train[:10%]", "a/b", "a b", "straße", "all", ""])
def test_names_that_files_cannot_have(pairs, tmp_path, name):
    split = dataclasses.replace(pairs, split=name)
    with pytest.raises(InputError, match="letters, digits, _ and -, not .*another"):
        write_shards([pairs, split], tmp_path / "shards", OPTIONS)
    assert not (tmp_path / "shards").exists()


def test_names_that_begin_alike(pairs, tmp_path):
    names = ("train", "tra", "train_extra", "val-small")
    splits = [
        dataclasses.replace(pairs.select(range(index + 1)), split=name)
        for index, name in enumerate(names)
    ]
    write_shards(splits, tmp_path / "shards", OPTIONS)
    for index, name in enumerate(names):
        found = Shards(tmp_path / "shards", name)
        assert len(found) == index + 1
        np.testing.assert_array_equal(found.load(index)[0], pairs.load(index)[0])


def test_counts_and_checksums_are_noted(pairs, tmp_path):
    import hashlib

    write_shards([pairs], tmp_path / "shards", OPTIONS)
    noted = json.loads((tmp_path / "shards/shards.json").read_text())
    (file,) = noted["splits"]["train"]["files"]
    content = (tmp_path / "shards" / file["name"]).read_bytes()
    records = tf.data.TFRecordDataset(str(tmp_path / "shards" / file["name"]))
    assert file["lengths"] == [len(record.numpy()) for record in records]
    assert len(file["lengths"]) == 7 and file["bytes"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert noted["splits"]["train"]["sizes"] == [[7, *SIZE]]


def test_a_name_that_is_no_utf_8(tmp_path):
    folder = tmp_path / "caf\udce9"
    pairs = write_pairs(folder, 2, size=SIZE)
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    found = Shards(tmp_path / "shards").load(1)[0]
    np.testing.assert_array_equal(found, pairs.load(1)[0])
