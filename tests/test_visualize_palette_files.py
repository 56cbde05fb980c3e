"""Palette files: what is read, and the sentence for what is not."""

import json

import numpy as np
import pytest

from harness.mutations import mutate, mutate_json
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
        ("a.json", "7", "is 7, not a list"),
        ("a.json", "{", "is not JSON .*a JSON file is"),
        pytest.param("a.json", "[" * 100_000, "nested too deeply", id="deep"),
        ("a.json", json.dumps({"road": [1, 2, 3]}), "no colour for traffic light, car"),
        (
            "a.json",
            '{"road": [1, 2, 3], "road": [1, 2, 3]}',
            "has the key 'road' twice",
        ),
        (
            "a.json",
            json.dumps({**BY_NAME, "car": [0, 0, 256]}),
            r"`car\[2\]` is 256, not a wh",
        ),
        ("a.json", json.dumps({**BY_NAME, "car": [0, 0]}), "`car` is a list of 2, not"),
        ("a.json", json.dumps({**BY_NAME, "car": [0, 0, 1.5]}), r"`car\[2\]` is 1.5"),
        ("a.json", json.dumps({**BY_NAME, "car": "#00008e"}), "`car` is '#00008e'"),
        ("a.json", json.dumps({**BY_NAME, "car": [True, 0, 0]}), r"`car\[0\]` is true"),
        ("a.txt", TEXT.replace("0 0 142", "0 0 300"), r"`car\[2\]` is 300"),
        ("a.txt", TEXT.replace("0 0 142", "0 142"), "Line 3 .* is '0 142.*car'"),
        ("a.txt", TEXT.replace("0 0 142", "0 0 -1"), "Line 3"),
        ("a.txt", TEXT.replace("0 0 142", "0 0 " + "9" * 5000), "Line 3"),
        ("a.txt", TEXT + "9 9 9 road", "two colours for 'road'"),
        ("a.txt", "", "no colour for road, traffic light, car"),
        pytest.param(
            "a.txt", "x" * (1 << 21), "has more than 1048576 bytes", id="long"
        ),
    ],
)
def test_others_are_refused_in_one_sentence(tmp_path, name, content, said):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=said) as caught:
        read_palette(tmp_path / name, NAMES)
    assert str(tmp_path / name) in str(caught.value)


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match="missing.json: No such file.*a JSON file is"):
        read_palette(tmp_path / "missing.json", NAMES)
    (tmp_path / "a.txt").write_bytes(b"1 2 3 caf\xe9")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_palette(tmp_path / "a.txt", NAMES)


@pytest.mark.parametrize("form", ["list.json", "names.json", "rows.txt"])
def test_mutated_palettes_bring_only_typed_errors(tmp_path, form):
    rng, path, refused = np.random.default_rng(0), tmp_path / form, 0
    content = {"list.json": COLORS, "names.json": BY_NAME}.get(form)
    for _ in range(300):
        whole = json.dumps(content) if content else TEXT
        damaged = (
            mutate_json(whole, rng)
            if content
            else mutate(whole.encode(), whole.encode(), rng)
        )
        path.write_bytes(damaged)
        try:
            colors = read_palette(path, NAMES)
        except InputError:
            refused += 1
        else:
            assert all(0 <= part <= 255 for color in colors for part in color)
    assert refused > 50
