"""Which classes a run takes."""

import json
import re
import shlex
import zipfile

import pytest

from keras_lraspp import config
from keras_lraspp.__main__ import main
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import CARD
from keras_lraspp.prediction.predictors import find_classes


def archive(path, *members):
    with zipfile.ZipFile(path, "w") as file:
        for name, text in members:
            file.writestr(name, text)
    return path


def test_the_configuration_comes_before_the_file(tmp_path):
    card = {"classes": ["cat", "dog"], "palette": [[1, 2, 3], [4, 5, 6]]}
    path = archive(tmp_path / "best.keras", (CARD, json.dumps(card)))
    assert find_classes(None, path) == (("cat", "dog"), ((1, 2, 3), (4, 5, 6)))
    assert find_classes("camvid", path).names[3] == "road"
    assert len(find_classes(7, path).names) == 7


def test_a_file_that_is_missing_or_damaged(tmp_path):
    with pytest.raises(InputError, match="no weights file .*check --weights"):
        find_classes(None, tmp_path / "best.keras")
    (tmp_path / "best.keras").write_bytes(b"PK\3\4 cut")
    with pytest.raises(InputError, match="File is not a zip file.*a training wrote"):
        find_classes(None, tmp_path / "best.keras")


@pytest.fixture(params=["model.weights.h5", "other.keras"])
def nameless(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".h5":
        path.write_bytes(b"\x89HDF")
    else:
        archive(path, ("config.json", "{}"))
    return path


@pytest.mark.parametrize("run", ["predict", "export"])
def test_the_message_says_what_to_type_and_that_works(nameless, capsys, run):
    command = [run, "--gin_file=os8_global.gin", f"--weights={nameless}"]
    command += [f"--output_dir={nameless.parent / 'out'}"]
    if run == "predict":
        command.append("--input=none.png")
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{nameless} does not say what its classes are; name them with" in said
    assert "'camvid'" in said and said.count("\n") == 1
    (flag,) = shlex.split(re.search(r'--gin_bindings=".*?"', said)[0])
    assert main([*command, flag]) == 2  # the file is no model; but classes are named
    assert "does not say" not in capsys.readouterr().err
    _, binding = flag.split("=", 1)
    for classes, count in (("'ade20k'", 150), ("('cat', 'dog')", 2), ("7", 7)):
        config.load_config(
            ["os8_global.gin"], [binding.replace("'cityscapes'", classes)]
        )
        given = config.bound(run, "classes")["classes"]
        assert len(find_classes(given, nameless).names) == count
