"""Shards are written whole or not at all, and hold what the data set holds."""

import errno
import json
import os
import signal
import subprocess
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds

from harness.children import command, environment
from harness.image_files import classes, dataset_of, noise, save, write_pairs
from keras_lraspp.data import Shards
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writing import ShardOptions, write_shards
from keras_lraspp.errors import InputError, StorageError

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
    assert shards.where(3).endswith(place_of(3, files, file_format))
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
    row = by_name[pairs.where(2)]
    assert (row["height"], row["width"]) == SIZE
    tiles = row["image"].reshape(3, 3, 8, 16, 3).transpose(0, 2, 1, 3, 4)
    image = tiles.reshape(24, 48, 3)[: SIZE[0], : SIZE[1]]
    np.testing.assert_array_equal(image, pairs.load(2)[0])


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


@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_is_there_is_kept(pairs, tmp_path, what):
    folder = tmp_path / "shards"
    if what == "file":
        folder.write_text("kept")
    else:
        folder.mkdir()
        (folder / "kept").touch()
    with pytest.raises(InputError, match="shards exists; remove it"):
        write_shards([pairs], folder, OPTIONS)
    assert (
        folder.read_text() == "kept" if what == "file" else (folder / "kept").exists()
    )


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


def test_a_bad_image_leaves_nothing(pairs, tmp_path):
    pairs.images[4].write_bytes(pairs.images[4].read_bytes()[:60])
    with pytest.raises(InputError, match=pairs.images[4].name):
        write_shards([pairs], tmp_path / "new" / "shards", OPTIONS)
    assert not list((tmp_path / "new").iterdir())


def test_a_full_disk_leaves_nothing(pairs, tmp_path, monkeypatch):
    from keras_lraspp.data.shards.files import RecordFiles

    written = []

    def write(self, content):
        written.append(content)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(RecordFiles, "write", write)
    with pytest.raises(StorageError, match="No space left on device. Free some space"):
        write_shards([pairs], tmp_path / "new" / "shards", OPTIONS)
    assert not list((tmp_path / "new").iterdir())


def test_a_killed_process_leaves_nothing_that_looks_finished(pairs, tmp_path):
    program = """
        import sys, time
        from pathlib import Path
        from keras_lraspp.data import FolderPair
        from keras_lraspp.data.shards import files, writing
        write = files.RecordFiles.write
        def slowly(self, content):
            write(self, content)
            print("written", flush=True)
            time.sleep(60)
        files.RecordFiles.write = slowly
        from harness.image_files import write_pairs
        pairs = write_pairs(Path(sys.argv[1]) / "more", 3)
        writing.write_shards([pairs], Path(sys.argv[2]) / "shards")
        """
    folder = tmp_path / "new"
    with subprocess.Popen(
        command(program, tmp_path, folder),
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        assert child.stdout.readline() == "written\n"
        os.kill(child.pid, signal.SIGKILL)
    time.sleep(0.1)
    assert not (folder / "shards").exists()
    (left,) = folder.iterdir()
    assert left.name.startswith(".tmp-")
    with pytest.raises(InputError, match="Cannot read .*shards.json"):
        Shards(left)
    write_shards([pairs], folder / "shards", OPTIONS)  # and it is not in the way


def test_counts_and_checksums_are_noted(pairs, tmp_path):
    import hashlib

    write_shards([pairs], tmp_path / "shards", OPTIONS)
    noted = json.loads((tmp_path / "shards/shards.json").read_text())
    (file,) = noted["splits"]["train"]["files"]
    content = (tmp_path / "shards" / file["name"]).read_bytes()
    assert file["records"] == 7 and file["bytes"] == len(content)
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert noted["splits"]["train"]["sizes"] == [[7, *SIZE]]
