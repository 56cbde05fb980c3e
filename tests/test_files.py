"""Atomic writing, checksums and versions."""

import hashlib
import os
import socket
import subprocess
import sys
import time

import keras
import pytest
import tensorflow as tf

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import (
    check_regular,
    is_whole,
    open_regular,
    package_versions,
    put_in_place,
    read_regular,
    remove_leftovers,
    replacing,
    sha256,
    staging,
)

BOTH = pytest.mark.parametrize("sync", [True, False])


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


@BOTH
def test_the_new_file_takes_the_place_of_the_old(tmp_path, sync):
    path = tmp_path / "deep" / "file.txt"
    assert not is_whole(path)
    for text in ("first", "second"):
        before = path.read_text() if path.exists() else None
        with replacing(path, sync=sync) as temporary:
            temporary.write_text(text)
            assert (path.read_text() if path.exists() else None) == before
            assert temporary.name == path.name
            assert temporary.parent.parent == path.parent
            assert temporary.parent.name.startswith(".tmp-")
        assert path.read_text() == text and is_whole(path)
    assert names(tmp_path) == ["deep", "file.txt"]


def test_an_empty_file_is_not_whole(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert not is_whole(tmp_path / "file")


@BOTH
def test_an_error_leaves_the_old_file_and_no_other(tmp_path, sync):
    path = tmp_path / "file.txt"
    path.write_text("good")
    with pytest.raises(ZeroDivisionError), replacing(path, sync=sync) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "good"
    assert names(tmp_path) == ["file.txt"]


@BOTH
def test_a_full_disk_is_a_storage_error(tmp_path, sync):
    path = tmp_path / "file.txt"
    path.write_text("good")
    with (
        pytest.raises(StorageError, match="No space left"),
        replacing(path, sync=sync) as temporary,
    ):
        temporary.write_text("half")
        raise OSError(28, os.strerror(28))
    assert path.read_text() == "good"
    assert names(tmp_path) == ["file.txt"]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "under.txt"
    with pytest.raises(StorageError, match="under.txt"), replacing(target):
        pass


def test_a_kill_while_writing_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("good")
    program = (
        "import os, pathlib, signal, sys\n"
        "from keras_lraspp.files import replacing\n"
        "with replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    child = subprocess.run([sys.executable, "-c", program, str(path)])
    assert child.returncode == -9
    assert path.read_text() == "good"


def test_old_leftovers_go_and_nothing_else(tmp_path):
    folder = tmp_path / "gtFine" / "train" / "a"
    old, young, kept = (folder / name for name in (".tmp-1", ".tmp-2", "other"))
    for path in (old, young, kept):
        path.mkdir(parents=True)
        (path / "z.png").write_text("x")
    for path in (old, old / "z.png", kept, kept / "z.png"):
        os.utime(path, (time.time() - 3600,) * 2)
    (folder / "z.png").write_text("x")
    remove_leftovers(tmp_path, "*/*/*")
    assert {path.name for path in folder.iterdir()} == {".tmp-2", "other", "z.png"}


@pytest.mark.parametrize("open_file", [open, tf.io.gfile.GFile])
def test_sha256(tmp_path, open_file):
    content = bytes(range(256)) * 5000  # more than is read at a time
    (tmp_path / "file").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert sha256(tmp_path / "file", open_file) == expected


def test_versions_of_what_is_installed():
    assert package_versions(["keras", "no-such-package"]) == {
        "keras": keras.__version__
    }


def test_a_hidden_folder_that_goes_away(tmp_path):
    target = tmp_path / "new" / "served"
    with staging(target) as hidden:
        assert hidden.parent == target and hidden.name.startswith(".tmp-")
        (hidden / "model").write_text("made")
        put_in_place(hidden / "model", target / "model")
    assert [path.name for path in target.iterdir()] == ["model"]


def test_errors_name_what_the_user_named(tmp_path):
    with pytest.raises(InputError) as caught:
        with staging(tmp_path) as hidden:
            raise InputError(f"{hidden / 'model.onnx'} is bad.")
    assert str(caught.value) == f"{tmp_path / 'model.onnx'} is bad."
    assert not list(tmp_path.iterdir())


def test_what_the_disk_says_is_a_storage_error(tmp_path):
    with pytest.raises(StorageError, match="No space left.*Free some space"):
        with staging(tmp_path):
            raise OSError(28, "No space left on device")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write"):
        with staging(tmp_path / "file"):
            pass


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_the_old_one_is_replaced(tmp_path, kind):
    def make(path, text):
        if kind == "folder":
            path.mkdir()
            (path / text).write_text(text)
        else:
            path.write_text(text)

    make(tmp_path / "1", "old")
    with staging(tmp_path) as hidden:
        make(hidden / "1", "new")
        put_in_place(hidden / "1", tmp_path / "1")
    assert [path.name for path in tmp_path.iterdir()] == ["1"]
    if kind == "folder":
        assert [path.name for path in (tmp_path / "1").iterdir()] == ["new"]
    else:
        assert (tmp_path / "1").read_text() == "new"


def test_the_old_folder_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path, monkeypatch
):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "old").write_text("")
    replace, calls = os.replace, []

    def second_fails(*paths):
        calls.append(paths)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        replace(*paths)

    with pytest.raises(StorageError, match="Input/output error"):
        with staging(tmp_path) as hidden:
            (hidden / "1").mkdir()
            monkeypatch.setattr(os, "replace", second_fails)
            put_in_place(hidden / "1", tmp_path / "1")
    assert [path.name for path in (tmp_path / "1").iterdir()] == ["old"]


def test_only_regular_files_are_opened(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    os.mkfifo("pipe")
    os.symlink("pipe", "link")
    os.symlink("itself", "itself")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
    for name, kind in {
        "pipe": "pipe is a pipe",
        "link": "link is a pipe",
        "socket": "socket is a socket",
        "/dev/zero": "/dev/zero is a device",
    }.items():
        for read in (open_regular, check_regular, lambda path: read_regular(path, 9)):
            with pytest.raises(InputError) as caught:
                read(name)
            assert str(caught.value) == f"{kind}, not a file; give a file."
    with pytest.raises(InputError, match=r"'a\\x00b' is no path"):
        check_regular("a\0b")
    with pytest.raises(OSError, match="Too many levels of symbolic links: 'itself'"):
        check_regular("itself")
    with pytest.raises(IsADirectoryError, match=str(tmp_path)):
        check_regular(tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such-file"):
        check_regular("no-such-file")


def test_a_file_is_read_up_to_its_bound(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    for too_large in (path, "/proc/self/maps"):  # whose size is 0, it says
        with pytest.raises(InputError, match="has more than 4 bytes; give a smaller"):
            read_regular(too_large, 4)
    with open_regular(path) as file:
        assert file.name == str(path) and file.read() == b"12345"
