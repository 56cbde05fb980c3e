"""What is to be seen of an export while it is made, and after it went wrong."""

import os

import pytest

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.files import put_in_place, staging


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
