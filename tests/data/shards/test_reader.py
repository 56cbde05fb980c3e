"""Training from shards: the stream of the files that they were written from."""

import json

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from harness.image_files import write_pairs
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
    for hosts in (0, 7):
        with pytest.raises(InputError, match=f"hosts is 1..6 for 6 .*not {hosts}"):
            Shards(root, hosts=hosts)


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
        (lambda text: text[:-9], "shards.json is damaged"),
        (lambda text: json.dumps({**json.loads(text), "format": 9}), "format 9"),
        (lambda text: json.dumps({"format": 1}), "shards.json is damaged"),
        (lambda text: "[]", "shards.json is damaged"),
    ],
)
def test_a_damaged_manifest(root, change, said):
    path = root / "shards.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=said):
        Shards(root)
