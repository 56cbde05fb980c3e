"""Training from shards: the stream of the files that they were written from."""

import json
from functools import partial

import numpy as np
import pytest

from harness.image_files import write_pairs
from keras_lraspp.data import (
    Shards,
    evaluation_batches,
    recipe_transform,
    training_batches,
)
from keras_lraspp.data.opening import DamagedFileError
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writing import ShardOptions, write_shards
from keras_lraspp.errors import InputError

SIZE = (40, 56)
OPTIONS = ShardOptions(tile=TileSize(8, 16), file_bytes=20_000, progress=False)


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("files"), 6, size=SIZE)


@pytest.fixture
def root(pairs, tmp_path):
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    return tmp_path / "shards"


def test_the_stream_is_that_of_the_files(pairs, root):
    batches = partial(
        training_batches,
        transform=recipe_transform(crop_size=(16, 24)),
        batch_size=2,
        seed=5,
    )
    files, shards = (
        list(batches(samples).take(8).as_numpy_iterator())
        for samples in (pairs, Shards(root))
    )
    for expected, found in zip(files, shards, strict=True):
        np.testing.assert_array_equal(found[0], expected[0])
        np.testing.assert_array_equal(found[1], expected[1])
    later = next(batches(Shards(root), start_step=5).as_numpy_iterator())
    np.testing.assert_array_equal(later[0], files[5][0])


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
    names = [part.where(index) for part in parts for index in range(each)]
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
