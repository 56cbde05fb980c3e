"""Training from shards: the stream of the files that they were written from."""

import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from harness.image_files import write_pairs
from harness.mutations import mutate_json
from keras_lraspp.data import (
    Shards,
    evaluation_batches,
    recipe_transform,
    training_batches,
)
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.errors import InputError
from keras_lraspp.images import DamagedFileError

SIZE = (40, 56)
OPTIONS = ShardOptions(tile=TileSize(8, 16), file_bytes=20_000, progress=False)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("files"), 6, size=SIZE)


@pytest.fixture
def root(pairs, tmp_path):
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    return tmp_path / "shards"


def first(steps, samples, threads=2, **settings):
    """The first batches: images, labels."""
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    transform = recipe_transform(crop_size=(16, 24))
    batches = training_batches(
        samples, transform=transform, batch_size=2, seed=5, **settings
    ).with_options(options)
    images, labels = zip(*batches.take(steps).as_numpy_iterator(), strict=True)
    return np.stack(images), np.stack(labels)


def test_the_stream_is_that_of_the_files_with_any_parallelism(pairs, root):
    files = first(8, pairs, threads=1)
    for samples, threads in ((pairs, 4), (Shards(root), 1), (Shards(root), 4)):
        for found, expected in zip(first(8, samples, threads), files, strict=True):
            np.testing.assert_array_equal(found, expected)
    later, _ = first(1, Shards(root), start_step=5)
    np.testing.assert_array_equal(later[0], files[0][5])


def test_hosts_share_each_batch(pairs, root):
    files = first(3, pairs)
    parts = [first(3, Shards(root), host=(index, 2)) for index in range(2)]
    for kind in (0, 1):
        together = np.concatenate([part[kind] for part in parts], axis=1)
        np.testing.assert_array_equal(together, files[kind])


def test_a_remote_folder(pairs, root):
    remote = "gs://bucket/street/shards"
    with tfds.testing.MockFs() as files:
        files.add_file(f"{remote}/shards.json")  # makes the folder
        for path in root.iterdir():
            content = path.read_bytes()
            with tf.io.gfile.GFile(f"{remote}/{path.name}", "wb") as file:
                file.write(content)
        samples = Shards(remote, checksums=True)
        for index in range(len(pairs)):
            np.testing.assert_array_equal(samples.load(index)[0], pairs.load(index)[0])
        assert samples.source(0).startswith(f"{remote}/shards-train.tfrecord-00000-of-")
        with pytest.raises(InputError, match="Cannot read gs://bucket/other/shards.j"):
            Shards("gs://bucket/other")
        (*_, last) = sorted(path.name for path in root.glob("*.tfrecord*"))
        tf.io.gfile.remove(f"{remote}/{last}")
        with pytest.raises(InputError, match=f"in {remote} are missing"):
            Shards(remote)


def test_an_evaluation_sees_all(pairs, root):
    found = list(evaluation_batches(Shards(root)).as_numpy_iterator())
    assert len(found) == len(pairs)
    for index, (image, label) in enumerate(found):
        np.testing.assert_array_equal(image[0], pairs.load(index)[0])
        np.testing.assert_array_equal(label[0], pairs.load(index)[1])


@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts_share_the_training_set(pairs, root, hosts):
    parts = [Shards(root, hosts=hosts, host=host) for host in range(hosts)]
    each = len(pairs) // hosts
    assert [len(part) for part in parts] == [each] * hosts
    names = [part.source(index) for part in parts for index in range(each)]
    assert len(set(names)) == len(names)
    number = 0
    for part in parts:
        for index in range(each):
            np.testing.assert_array_equal(part.load(index)[0], pairs.load(number)[0])
            number += 1


def test_what_is_not_there(root, tmp_path):
    with pytest.raises(InputError, match="has the splits .*'train'.*, not 'val'"):
        Shards(root, "val")
    with pytest.raises(InputError, match="keras-lraspp data shards"):
        Shards(tmp_path)
    with pytest.raises(InputError, match=r"Shards.host is 0..1"):
        Shards(root, hosts=2, host=2)
    with pytest.raises(InputError, match="hosts is 1..6 for 6 .*not 7"):
        Shards(root, hosts=7)
    with pytest.raises(InputError, match="Shards.hosts is a whole number .*not 0"):
        Shards(root, hosts=0)


def test_a_missing_file(root):
    gone = sorted(root.glob("*tfrecord*"))[1]
    gone.unlink()
    with pytest.raises(InputError, match=f"missing or not what.*{gone.name}"):
        Shards(root)


def test_a_cut_file(root):
    cut = sorted(root.glob("*tfrecord*"))[0]
    cut.write_bytes(cut.read_bytes()[:-1])
    with pytest.raises(InputError, match=cut.name):
        Shards(root)


def test_flipped_bits(root):
    file = sorted(root.glob("*tfrecord*"))[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 3] ^= 16
    file.write_bytes(content)
    with pytest.raises(InputError, match=file.name):
        Shards(root, checksums=True)
    damaged = Shards(root)
    with pytest.raises(DamagedFileError, match="damaged"):
        for index in range(len(damaged)):
            damaged.load(index)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda text: text[:-9], "shards.json"),
        (lambda text: json.dumps({**json.loads(text), "format": 9}), "format 9"),
        (lambda text: json.dumps({"format": 1}), "shards.json"),
        (lambda text: "[]", "shards.json"),
    ],
)
def test_a_damaged_manifest(root, change, said):
    path = root / "shards.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=said):
        Shards(root)


def test_another_features_json_is_never_read(root, tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules/strange.py").write_text("import sys\nsys.ran_strange = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "modules")
    path = root / "features.json"
    path.write_text(path.read_text().replace("tensorflow_datasets.core.", "strange."))
    assert "strange.features" in path.read_text()
    assert Shards(root).load(0)[0].shape == (*SIZE, 3)
    assert not hasattr(sys, "ran_strange")


def test_array_records_are_read_by_part(pairs, tmp_path):
    options = OPTIONS._replace(file_format="array_record")
    write_shards([pairs], tmp_path / "shards", options)
    assert len([*(tmp_path / "shards").glob("*.array_record-*")]) > 1
    for hosts in (1, 2):
        for host in range(hosts):
            part = Shards(tmp_path / "shards", hosts=hosts, host=host)
            assert len(part) == len(pairs) // hosts
            for index in range(len(part)):
                there = host * len(part) + index
                np.testing.assert_array_equal(part.load(index)[0], pairs.load(there)[0])


@pytest.mark.parametrize(
    "change, said",
    [
        (
            {"classes": [{"name": "a", "color": [1, 2, 256]}]},
            "`classes.0..color.2.`",
        ),
        ({"tile": [8, 2**31]}, "`tile.width` is 2147483648, not a whole number from 1"),
        (
            {"label_type": "float32"},
            "`label_type` is 'float32', not one of 'uint8'",
        ),
        (
            {"splits": {"train": {"files": [], "sizes": [[2**30, 8, 8]]}}},
            "0 records,",
        ),
        ({"new": 1}, "`new` is an unknown key"),
    ],
)
def test_a_manifest_that_cannot_be(root, change, said):
    path = root / "shards.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=f"shards.json.*{said}.*write the shards"):
        Shards(root)


@pytest.mark.parametrize(
    "file, size, said",
    [
        ({"name": "../x.tfrecord-00000-of-00001"}, {}, "is no name of a shard"),
        ({"lengths": [10**9]}, {}, "records of .* are longer than it"),
        ({}, {"height": 2**21}, "an image of train has .2097152, 56. pixels"),
    ],
)
def test_a_manifest_that_asks_for_too_much(root, file, size, said):
    path = root / "shards.json"
    content = json.loads(path.read_text())
    split = content["splits"]["train"]
    names = ("count", "height", "width")
    split["files"] = [{**split["files"][0], "lengths": [1], **file}]
    split["sizes"] = [{**dict(zip(names, (1, *SIZE), strict=True)), **size}]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said):
        Shards(root)


def test_mutated_manifests_bring_only_typed_errors(root):
    rng = np.random.default_rng(0)
    path = root / "shards.json"
    text, refused = path.read_text(), 0
    for _ in range(300):
        path.write_bytes(mutate_json(text, rng))
        try:
            samples = Shards(root)
            samples.load(len(samples) - 1)
        except InputError:
            refused += 1
    assert refused > 250
