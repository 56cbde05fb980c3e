"""Classes of a `.keras` file, and how a person names them."""

import io
import json
import zipfile

import h5py
import pytest

from keras_lraspp import config
from keras_lraspp.__main__ import main
from keras_lraspp.classes import CLASS_SETS, resolve_classes
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import (
    CARD_MEMBER,
    find_classes,
    read_classes,
)
from keras_lraspp.weights.keras_archive import read_keras_archive


def archive(path, card):
    weights = io.BytesIO()
    h5py.File(weights, "w").close()
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
        file.writestr("model.weights.h5", weights.getvalue())
        if card is not None:
            file.writestr(CARD_MEMBER, card)
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
    assert read_classes(read_keras_archive(path)) == (
        ("cat", "dog"),
        ((1, 2, 3), (4, 5, 6)),
    )


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
        '{"classes": ["a"], "palette": [[0, 0, 256]]}',
        '{"classes": ["a"], "palette": [[0, 0, 1.5]]}',
        '{"classes": ["a"], "palette": [[0, 0, NaN]]}',
        '{"classes": ["a"], "palette": "abc"}',
        '{"classes": ["a\\u001b[2J"], "palette": [[0, 0, 0]]}',
        '{"classes": [["a"]], "palette": [[0, 0, 0]]}',
        '{"classes": ' + "[" * 100_000,
    ],
)
def test_a_file_that_does_not_say(tmp_path, card):
    path = archive(tmp_path / "best.keras", card)
    for read in (
        lambda: read_classes(read_keras_archive(path)),
        lambda: find_classes(None, path),
    ):
        with pytest.raises(InputError, match="best.keras does not say"):
            read()


def test_the_configuration_comes_before_the_file(tmp_path):
    card = json.dumps({"classes": ["cat", "dog"], "palette": [[1, 2, 3], [4, 5, 6]]})
    path = archive(tmp_path / "best.keras", card)
    assert find_classes(None, path) == (("cat", "dog"), ((1, 2, 3), (4, 5, 6)))
    assert find_classes("camvid", path).names[3] == "road"
    assert len(find_classes(7, path).names) == 7


def test_a_file_that_is_missing_or_damaged(tmp_path):
    with pytest.raises(InputError, match="no weights file .*check --weights"):
        find_classes(None, tmp_path / "best.keras")
    (tmp_path / "best.keras").write_bytes(b"PK\3\4 cut")
    with pytest.raises(InputError, match="damaged .*File is not a zip file"):
        find_classes(None, tmp_path / "best.keras")


@pytest.fixture(params=["model.weights.h5", "other.keras"])
def nameless(request, tmp_path):
    path = tmp_path / request.param
    if path.suffix == ".h5":
        path.write_bytes(b"\x89HDF")
    else:
        archive(path, None)
    return path


@pytest.mark.parametrize("run", ["predict", "export"])
def test_the_message_says_what_to_type_and_that_works(nameless, capsys, run):
    command = [run, "--gin_file=os8_global.gin", f"--weights={nameless}"]
    command += [f"--output_dir={nameless.parent / 'out'}"]
    command += [f"--gin_bindings={run}.dataset = None"]  # whose classes it would take
    if run == "predict":
        picture = nameless.parent / "a.png"
        picture.write_bytes(b"")
        command.append(str(picture))
    assert main(command) == 2
    said = capsys.readouterr().err
    assert f"{nameless} does not say what its classes are; name them with" in said
    assert "camvid" in said and said.count("\n") == 1
    for flag in ("--classes=ade20k", "--classes=cat,dog", "--classes=7"):
        assert main([*command, flag]) == 2  # the file is no model; classes are named
        assert "does not say" not in capsys.readouterr().err
    binding = f"{run}.classes = 'cityscapes'"
    for classes, count in (("'ade20k'", 150), ("('cat', 'dog')", 2), ("7", 7)):
        config.load_config(
            ["os8_global.gin"], [binding.replace("'cityscapes'", classes)]
        )
        given = config.bound(run, "classes")["classes"]
        assert len(find_classes(given, nameless).names) == count
