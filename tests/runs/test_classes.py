"""Where names and colours of classes come from."""

import json
import zipfile

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.runs.classes import CARD, find_classes


def archive(path, card):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
        if card is not None:
            file.writestr(CARD, card)
    return path


def test_a_data_set_a_number_or_names():
    assert find_classes("camvid", "unused").names[3] == "road"
    assert find_classes("cityscapes", "unused").palette[0] == (128, 64, 128)
    assert len(find_classes(7, "unused").names) == 7
    named = find_classes(["cat", "dog"], "unused")
    assert named.names == ("cat", "dog")
    assert len(named.palette) == 2
    with pytest.raises(InputError, match="camvid.*cityscapes"):
        find_classes("kitti", "unused")


def test_training_noted_them_in_the_weights(tmp_path):
    card = json.dumps({"classes": ["cat", "dog"], "palette": [[1, 2, 3], [4, 5, 6]]})
    found = find_classes(None, archive(tmp_path / "best.keras", card))
    assert found == (("cat", "dog"), ((1, 2, 3), (4, 5, 6)))


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
    with pytest.raises(InputError, match="best.keras does not say"):
        find_classes(None, path)


def test_no_file_or_no_archive(tmp_path):
    with pytest.raises(InputError, match="no weights file"):
        find_classes(None, tmp_path / "best.keras")
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match="does not say"):
        find_classes(None, tmp_path / "model.weights.h5")
