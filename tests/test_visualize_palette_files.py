"""Palette files: what is read, and the sentence for what is not."""

import json

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.inference import read_palette

NAMES = ("road", "traffic light", "car")
COLORS = ((128, 64, 128), (250, 170, 30), (0, 0, 142))
BY_NAME = {name: list(color) for name, color in zip(NAMES, COLORS, strict=True)}
TEXT = """# red green blue name

0 0 142\tcar
250 170 30 traffic light
  128 64 128   road
1 2 3 boat
"""


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("list.json", json.dumps(COLORS)),
        ("names.JSON", json.dumps({**BY_NAME, "boat": [1, 2, 3]})),
        ("mark.json", "\ufeff" + json.dumps(BY_NAME)),
        ("rows.txt", TEXT),
        ("windows.txt", TEXT.replace("\n", "\r\n")),
    ],
)
def test_each_form_gives_the_classes_colours(tmp_path, name, content):
    (tmp_path / name).write_bytes(content.encode())
    assert read_palette(tmp_path / name, NAMES) == COLORS


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.json", "[[1, 2, 3]]", "has 1 colours, but the model has 3 classes"),
        ("a.json", "7", "has no list"),
        ("a.json", "{", "is not JSON .*a JSON file is"),
        pytest.param("a.json", "[" * 100_000, "is not JSON", id="deep"),
        ("a.json", json.dumps({"road": [1, 2, 3]}), "no colour for traffic light, car"),
        ("a.json", '{"road": [1, 2, 3], "road": [1, 2, 3]}', "two colours for 'road'"),
        ("a.json", json.dumps({**BY_NAME, "car": [0, 0, 256]}), r"'car' the .*256\]"),
        ("a.json", json.dumps({**BY_NAME, "car": [0, 0]}), "'car' the colour"),
        ("a.json", json.dumps({**BY_NAME, "car": [0, 0, 1.5]}), "'car' the colour"),
        ("a.json", json.dumps({**BY_NAME, "car": "#00008e"}), "three whole numbers"),
        ("a.json", json.dumps({**BY_NAME, "car": [True, 0, 0]}), "'car' the colour"),
        ("a.txt", TEXT.replace("0 0 142", "0 0 300"), "'car' the colour"),
        ("a.txt", TEXT.replace("0 0 142", "0 142"), "Line 3 .* is '0 142.*car'"),
        ("a.txt", TEXT.replace("0 0 142", "0 0 -1"), "Line 3"),
        ("a.txt", TEXT + "9 9 9 road", "two colours for 'road'"),
        ("a.txt", "", "no colour for road, traffic light, car"),
        pytest.param("a.txt", "x" * (1 << 21), "too many for a palette", id="long"),
    ],
)
def test_others_are_refused_in_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_palette(tmp_path / name, NAMES)
    assert str(tmp_path / name) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="missing.json: No such file.*--palette"):
        read_palette(tmp_path / "missing.json", NAMES)
    (tmp_path / "a.txt").write_bytes(b"1 2 3 caf\xe9")
    with pytest.raises(InputError, match="is not text"):
        read_palette(tmp_path / "a.txt", NAMES)
