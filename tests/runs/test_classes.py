"""Which classes a run takes."""

import json
import zipfile

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.runs.classes import CARD, find_classes


def test_the_configuration_comes_before_the_file(tmp_path):
    path = tmp_path / "best.keras"
    card = {"classes": ["cat", "dog"], "palette": [[1, 2, 3], [4, 5, 6]]}
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(CARD, json.dumps(card))
    assert find_classes(None, path) == (("cat", "dog"), ((1, 2, 3), (4, 5, 6)))
    assert find_classes("camvid", path).names[3] == "road"
    assert len(find_classes(7, path).names) == 7


def test_neither_says(tmp_path):
    with pytest.raises(InputError, match="no weights file .*check --weights"):
        find_classes(None, tmp_path / "best.keras")
    (tmp_path / "model.weights.h5").write_bytes(b"\x89HDF")
    with pytest.raises(InputError, match="does not say"):
        find_classes(None, tmp_path / "model.weights.h5")
