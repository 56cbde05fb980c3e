"""Where configurations are found and how includes are read."""

import pytest

from keras_lraspp.config import CONFIGS, find_config, read_fragments
from keras_lraspp.errors import InputError


def text_of(path):
    return [(part.path.name, part.text.split()) for part in read_fragments(path)]


@pytest.mark.parametrize("name", ["os8_global.gin", "gin_configs/os8_global.gin"])
def test_shipped_configs_are_found_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name).samefile(CONFIGS / "os8_global.gin")


def test_a_file_in_the_working_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "os8_global.gin").touch()
    assert find_config("os8_global.gin").samefile(tmp_path / "os8_global.gin")


def test_a_missing_file_is_named_with_those_there_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"no.gin in {tmp_path} or .*quickstart.gin"):
        find_config("no.gin")


def test_includes_are_read_where_they_stand_and_lines_keep_their_numbers(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/inner.gin").write_text("c\n")
    (tmp_path / "base/outer.gin").write_text("b\ninclude 'inner.gin'\nd\n")
    (tmp_path / "top.gin").write_text('a\ninclude "base/outer.gin"  # why\n\ne\n')
    assert text_of(tmp_path / "top.gin") == [
        ("top.gin", ["a"]),
        ("outer.gin", ["b"]),
        ("inner.gin", ["c"]),
        ("outer.gin", ["d"]),
        ("top.gin", ["e"]),
    ]
    *_, last = read_fragments(tmp_path / "top.gin")
    assert last.text.splitlines()[3] == "e"


def test_an_include_beside_the_file_beats_the_working_folder(tmp_path, monkeypatch):
    for folder in ("here", "there"):
        (tmp_path / folder / "base").mkdir(parents=True)
        (tmp_path / folder / "base/x.gin").write_text(folder)
    (tmp_path / "there/top.gin").write_text('include "base/x.gin"\n')
    monkeypatch.chdir(tmp_path / "here")
    assert ("x.gin", ["there"]) in text_of(tmp_path / "there/top.gin")


def test_a_file_can_include_a_shipped_one(tmp_path):
    (tmp_path / "mine.gin").write_text('include "os32_global.gin"\n')
    assert "os32_global.gin" in [name for name, _ in text_of(tmp_path / "mine.gin")]


def test_a_missing_include_is_placed(tmp_path):
    (tmp_path / "top.gin").write_text('\ninclude "no.gin"\n')
    with pytest.raises(InputError, match=r"top.gin line 2: There is no .* no.gin"):
        text_of(tmp_path / "top.gin")


def test_a_circle_of_includes_is_refused(tmp_path):
    (tmp_path / "a.gin").write_text('include "b.gin"\n')
    (tmp_path / "b.gin").write_text('\ninclude "a.gin"\n')
    with pytest.raises(InputError, match=r"b.gin line 2: .*a.gin includes itself"):
        text_of(tmp_path / "a.gin")


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "a.gin").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="a.gin is not UTF-8"):
        text_of(tmp_path / "a.gin")
