"""TFRecord files by number, against TensorFlow's own reading in order."""

import pytest
import tensorflow as tf

from keras_lraspp.data.tfrecord import Shard, TfrecordFiles
from keras_lraspp.errors import InputError


def write_records(path, records):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return str(path)


@pytest.fixture
def paths(tmp_path):
    """Two files, with records of several lengths, an empty one among them."""
    contents = ([b"a" * 5, b"", b"b" * 70_000, b"c"], [b"d" * 3, b"e" * 2])
    return [
        write_records(tmp_path / f"x.tfrecord-{number}", records)
        for number, records in enumerate(contents)
    ]


def test_all_records_in_any_order(paths):
    expected = [record.numpy() for record in tf.data.TFRecordDataset(paths)]
    files = TfrecordFiles([Shard(paths[0], 0, 4), Shard(paths[1], 0, 2)])
    assert len(files) == len(expected) == 6
    assert [files[index] for index in reversed(range(6))] == expected[::-1]
    assert files.source(4) == f"{paths[1]} record 0"


def test_parts_of_files(paths):
    whole = [record.numpy() for record in tf.data.TFRecordDataset(paths)]
    files = TfrecordFiles([Shard(paths[0], 1, 2), Shard(paths[1], 1, 1)])
    assert [files[index] for index in range(3)] == [whole[1], whole[2], whole[5]]
    assert files.source(1) == f"{paths[0]} record 2"
    assert len(TfrecordFiles([])) == len(TfrecordFiles([Shard(paths[0], 3, 0)])) == 0


def test_known_lengths_need_no_walk(paths, monkeypatch):
    whole = [record.numpy() for record in tf.data.TFRecordDataset(paths)]
    lengths = [len(record) for record in whole[:4]]
    monkeypatch.setattr("keras_lraspp.data.tfrecord._scan_spans", None)
    files = TfrecordFiles([Shard(paths[0], 1, 3, lengths)])
    assert [files[index] for index in range(3)] == whole[1:4]
    gone = TfrecordFiles([Shard(paths[0] + "9", 0, 4, lengths)])
    with pytest.raises(InputError, match="x.tfrecord-09 is damaged"):
        gone[0]


def test_a_file_that_is_cut_or_gone_is_named(paths):
    with open(paths[0], "rb+") as file:
        file.truncate(60_000)
    files = TfrecordFiles([Shard(paths[0], 0, 4)])
    with pytest.raises(InputError, match="x.tfrecord-0 is damaged .*prepare .* again"):
        files[0]
    with pytest.raises(InputError, match="x.tfrecord-1 is damaged"):
        TfrecordFiles([Shard(paths[1], 0, 3)])[0]
    with pytest.raises(InputError, match="x.tfrecord-9 is damaged"):
        TfrecordFiles([Shard(paths[1][:-1] + "9", 0, 1)])[0]


def test_a_length_that_is_a_lie_takes_no_memory(paths):
    with open(paths[0], "rb+") as file:
        file.write((2**50).to_bytes(8, "little"))
    with pytest.raises(InputError, match="x.tfrecord-0 is damaged"):
        TfrecordFiles([Shard(paths[0], 0, 1)])[0]
