"""Files that are whole or not there."""

import os
import time

import pytest

from keras_lraspp.files import is_whole, remove_leftovers, write_whole


def test_a_file_appears_when_it_is_written(tmp_path):
    path = tmp_path / "a" / "b.txt"
    assert not is_whole(path)

    def save(temporary):
        temporary.write_text("half")
        assert not path.exists()
        assert temporary.parent == path.parent and temporary.name.startswith(".")

    write_whole(path, save)
    assert path.read_text() == "half" and is_whole(path)
    assert [*path.parent.iterdir()] == [path]
    path.write_bytes(b"")
    assert not is_whole(path)


def test_a_failure_leaves_nothing_and_what_was_there(tmp_path):
    path = tmp_path / "b.txt"
    path.write_text("old")

    def fail(temporary):
        temporary.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        write_whole(path, fail)
    assert path.read_text() == "old" and [*tmp_path.iterdir()] == [path]


def test_old_leftovers_go_and_nothing_else(tmp_path):
    folder = tmp_path / "gtFine" / "train" / "a"
    folder.mkdir(parents=True)
    old, young, kept = (
        folder / name for name in (".x.png.1.tmp", ".y.png.2.tmp", "z.png")
    )
    for path in (old, young, kept):
        path.write_text("x")
    for path in (old, kept):
        os.utime(path, (time.time() - 3600,) * 2)
    remove_leftovers(tmp_path, "*/*/*")
    assert {path.name for path in folder.iterdir()} == {young.name, kept.name}
