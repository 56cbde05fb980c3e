"""Weights of other code bases as Keras files that say what they are, and back."""

import json
import zipfile

import keras
import numpy as np
import pytest

from harness import reference
from harness.paddle import write_pdparams
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP
from keras_lraspp.__main__ import main
from keras_lraspp.classes import CLASS_SETS, ClassSet, generic_class_set
from keras_lraspp.cli.tools import convert
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.keras_file import CARD_MEMBER, find_classes, save_network
from keras_lraspp.models.peer_files import save_peer_weights
from keras_lraspp.weights import read_tensors

VARIANT = "small_x0_35_os32_global"


@pytest.fixture
def checkpoint(tmp_path):
    return write_pdparams(tmp_path / "model.pdparams", reference.state_dict(VARIANT))


def card(path):
    with zipfile.ZipFile(path) as archive:
        return json.loads(archive.read(CARD_MEMBER))


def test_the_command_writes_a_file_that_comes_back(checkpoint, tmp_path, capsys):
    output = tmp_path / "new" / "out.keras"
    flags = [str(checkpoint), str(output), f"--variant={VARIANT}"]
    assert main(["convert", *flags]) == 0
    assert capsys.readouterr().out.endswith(f"wrote {output}\n")
    wanted = reference.model(VARIANT).get_weights()
    for model in (LRASPP.from_preset(output), keras.models.load_model(output)):
        assert isinstance(model, LRASPP)
        for ours, theirs in zip(model.get_weights(), wanted, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert find_classes(None, output) == find_classes("cityscapes", output)
    noted = card(output)
    assert noted["variant"] == VARIANT
    assert noted["converted_from"] == "model.pdparams"


def test_another_number_of_classes_gets_numbers(tmp_path):
    tensors = reference.state_dict(VARIANT)
    tensors["lraspp_head.conv_out.weight"] = np.ones((3, 128, 1, 1), "float32")
    weights = write_pdparams(tmp_path / "model.pdparams", tensors)
    output = convert(weights=weights, output=tmp_path / "out.keras")
    assert find_classes(None, output) == find_classes(3, output)


def test_other_channels_and_classes_of_ones_own(checkpoint, tmp_path):
    four, grey = tmp_path / "four.keras", tmp_path / "grey.keras"
    names = ClassSet(("road", "sky"), generic_class_set(2).palette)
    model = LRASPP(2, "small", 0.35, 32, input_shape=(None, None, 4))
    save_network(model, tmp_path / "own.keras", names)
    convert(weights=tmp_path / "own.keras", output=four)
    assert LRASPP.from_preset(four).input_shape[-1] == 4
    assert find_classes(None, four) == names
    with pytest.warns(UserWarning, match="first layer was adapted to 1"):
        assert main(["convert", str(checkpoint), str(grey), "--channels=1"]) == 0
    kernel = np.array(LRASPP.from_preset(grey).backbone.get_layer("stem_conv").kernel)
    rgb = np.array(reference.model(VARIANT).backbone.get_layer("stem_conv").kernel)
    np.testing.assert_allclose(kernel, rgb.sum(2, keepdims=True), rtol=1e-5)


def test_there_and_back(tmp_path, monkeypatch, capsys):
    with_few_blocks(monkeypatch)
    there, middle, back = (tmp_path / name for name in ("a.pth", "a.keras", "b.pt"))
    model = LRASPP(21, family="torchvision", output_stride=16)
    save_peer_weights(model, there, classes=generic_class_set(21))
    convert(weights=there, output=middle)
    assert find_classes(None, middle) == CLASS_SETS["voc2012"]
    noted = card(middle)
    assert noted["variant"] == "torchvision_large_voc"
    assert noted["converted_from"] == "a.pth"
    assert main(["convert", str(middle), str(back), "--to=torchvision"]) == 0
    assert capsys.readouterr().out.endswith(f"wrote {back}\n")
    wanted, found = read_tensors(there), read_tensors(back)
    assert [*found] == [*wanted]
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert main(["convert", str(middle), str(back), "--to=mmseg"]) == 2
    assert "family 'torchvision', and mmseg has no such" in capsys.readouterr().err
    with pytest.raises(InputError, match="a.keras is a Keras .* leave out --to=mmseg"):
        convert(weights=there, output=middle, to="mmseg")


def test_what_cannot_be_converted(checkpoint, tmp_path, capsys):
    assert main(["convert", str(checkpoint), str(tmp_path / "out.h5")]) == 2
    assert "The output is a .keras, .pdparams, .pth" in capsys.readouterr().err
    with pytest.raises(InputError, match="tensors that differ"):
        convert(weights=checkpoint, output=tmp_path / "out.keras", variant="os8_global")
    assert not (tmp_path / "out.keras").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError):
        convert(weights=checkpoint, output=tmp_path / "file" / "out.keras")


def test_a_network_that_is_no_variant_has_no_name(tmp_path):
    path = tmp_path / "model.keras"
    model = LRASPP(2, "small", 0.35, 16)
    save_network(model, path, find_classes(2, path), miou=0.5)
    assert card(path)["variant"] is None
    assert card(path)["miou"] == 0.5
    read = LRASPP.from_preset(path)
    assert read.classes.names == ("class 0", "class 1")
    assert {**read.get_config(), "classes": None} == model.get_config()
