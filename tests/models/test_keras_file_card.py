"""What a file says of its classes, and how a person names them."""

import json
import zipfile

import pytest

from keras_lraspp.classes import CLASS_SETS, resolve_classes
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import CARD, has_card, noted_classes


def archive(path, card):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
        if card is not None:
            file.writestr(CARD, card)
    return path


def test_a_data_set_a_number_or_names():
    assert resolve_classes("camvid").names[3] == "road"
    assert resolve_classes("cityscapes").palette[0] == (128, 64, 128)
    assert len(resolve_classes(7).names) == 7
    named = resolve_classes(["cat", "dog"])
    assert named.names == ("cat", "dog")
    assert len(named.palette) == 2
    assert resolve_classes(CLASS_SETS["camvid"]) is CLASS_SETS["camvid"]
    with pytest.raises(InputError, match="camvid.*cityscapes"):
        resolve_classes("kitti")


def test_training_noted_them(tmp_path):
    card = json.dumps({"classes": ["cat", "dog"], "palette": [[1, 2, 3], [4, 5, 6]]})
    path = archive(tmp_path / "best.keras", card)
    assert has_card(path)
    assert noted_classes(path) == (("cat", "dog"), ((1, 2, 3), (4, 5, 6)))


@pytest.mark.parametrize(
    "card",
    [
        None,
        "{",
        "[]",
        '{"classes": ["a"]}',
        '{"classes": ["a"], "palette": []}',
        '{"classes": ["a"], "palette": [[1, 2]]}',
        '{"classes": [], "palette": []}',
        " " * (1 << 20) + "{}",
    ],
)
def test_a_file_that_does_not_say(tmp_path, card):
    path = archive(tmp_path / "best.keras", card)
    assert has_card(path) == (card is not None)
    with pytest.raises(InputError, match="best.keras does not say"):
        noted_classes(path)


def test_no_file_or_no_archive(tmp_path):
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF")
    for name in ("model.weights.h5", "nowhere.keras"):
        assert not has_card(tmp_path / name)
        with pytest.raises(InputError, match=f"{name} does not say"):
            noted_classes(tmp_path / name)
