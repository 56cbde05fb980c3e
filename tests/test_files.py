"""Crash-safe writing."""

import os
import subprocess
import sys

import pytest

from keras_lraspp.errors import StorageError
from keras_lraspp.files import replacing


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_the_new_file_takes_the_place_of_the_old(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    for text in ("first", "second"):
        with replacing(path) as temporary:
            temporary.write_text(text)
        assert path.read_text() == text
    assert names(tmp_path) == ["deep", "file.txt"]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("good")
    with pytest.raises(ZeroDivisionError), replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "good"
    assert names(tmp_path) == ["file.txt"]


def test_a_full_disk_is_a_storage_error(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("good")
    with pytest.raises(StorageError, match="No space left"), replacing(path):
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
