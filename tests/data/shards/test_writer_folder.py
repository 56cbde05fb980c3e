"""Shards are written whole or not at all: full disks, killed processes, folders."""

import errno
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harness.children import command, environment
from harness.image_files import write_pairs
from keras_lraspp.data import Shards
from keras_lraspp.data.shards.tiles import TileSize
from keras_lraspp.data.shards.writer import ShardOptions, write_shards
from keras_lraspp.errors import InputError, StorageError

SIZE = (21, 34)
OPTIONS = ShardOptions(tile=TileSize(8, 16), progress=False)


@pytest.fixture
def pairs(tmp_path):
    return write_pairs(tmp_path / "files", 7, size=SIZE)


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


def test_a_link_to_an_empty_folder_is_followed(pairs, tmp_path):
    disk = tmp_path / "disk" / "space"
    disk.mkdir(parents=True)
    (tmp_path / "shards").symlink_to(disk)
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    assert len(Shards(disk)) == len(Shards(tmp_path / "shards")) == 7
    assert [path.name for path in disk.parent.iterdir()] == ["space"]


def test_a_mounted_disk_cannot_be_replaced(pairs, tmp_path, monkeypatch):
    (tmp_path / "disk").mkdir()
    monkeypatch.setattr(Path, "is_mount", lambda path: path.name == "disk")
    with pytest.raises(InputError, match="disk is a mounted disk; name a folder on it"):
        write_shards([pairs], tmp_path / "disk", OPTIONS)


def test_a_bad_image_leaves_nothing(pairs, tmp_path):
    pairs.images[4].write_bytes(pairs.images[4].read_bytes()[:60])
    with pytest.raises(InputError, match=pairs.images[4].name):
        write_shards([pairs], tmp_path / "new" / "shards", OPTIONS)
    assert not list((tmp_path / "new").iterdir())


def test_a_full_disk_leaves_nothing(pairs, tmp_path, monkeypatch):
    from keras_lraspp.data.shards.writer import ShardWriter

    written = []

    def write(self, content):
        written.append(content)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(ShardWriter, "write", write)
    with pytest.raises(StorageError, match="No space left on device. Free some space"):
        write_shards([pairs], tmp_path / "new" / "shards", OPTIONS)
    assert not list((tmp_path / "new").iterdir())


@pytest.mark.parametrize("file_format", ["tfrecord", "array_record"])
def test_what_the_disk_says_is_a_sentence(pairs, tmp_path, monkeypatch, file_format):
    from keras_lraspp.data.shards.writer import ShardWriter

    monkeypatch.setattr(
        ShardWriter, "_part_path", lambda self, number: Path("/dev/full")
    )
    options = OPTIONS._replace(file_format=file_format)
    with pytest.raises(StorageError, match="Cannot write .*No space left on device"):
        write_shards([pairs], tmp_path / "new" / "shards", options)
    assert not list((tmp_path / "new").iterdir())


def test_a_killed_process_leaves_nothing_that_looks_finished(pairs, tmp_path):
    program = """
        import sys, time
        from pathlib import Path
        from keras_lraspp.data import FolderPair
        from keras_lraspp.data.shards import writer
        write = writer.ShardWriter.write
        def slowly(self, content):
            write(self, content)
            print("written", flush=True)
            time.sleep(60)
        writer.ShardWriter.write = slowly
        from harness.image_files import write_pairs
        pairs = write_pairs(Path(sys.argv[1]) / "more", 3)
        writer.write_shards([pairs], Path(sys.argv[2]) / "shards")
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
    assert left.name.startswith(".tmp-shards-")
    with pytest.raises(InputError, match="Cannot read .*shards.json"):
        Shards(left)
    write_shards([pairs], folder / "shards", OPTIONS)  # and it is not in the way
    assert left.is_dir()  # for all that is known, somebody is writing it


def test_what_a_killed_process_left_is_removed_later(pairs, tmp_path):
    old, young, other = (
        tmp_path / name
        for name in (".tmp-shards-old", ".tmp-shards-young", ".tmp-others-old")
    )
    for path in (old, young, other):
        path.mkdir()
        (path / "train-0.part").write_text("x")
        os.utime(path / "train-0.part", (time.time() - 3600,) * 2)
        os.utime(path, (time.time() - 3600,) * 2)
    (young / "train-0.part").touch()
    write_shards([pairs], tmp_path / "shards", OPTIONS)
    assert not old.exists()
    assert young.is_dir() and other.is_dir() and len(Shards(tmp_path / "shards")) == 7
