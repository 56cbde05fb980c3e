"""Loading weights: right ones go in, wrong ones are named."""

import h5py
import keras
import numpy as np
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import load_weights

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model = LRASPP(num_classes=5, **SMALLEST)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return folder, model.get_weights()


@pytest.mark.backends
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_all_weights_go_in(saved, name):
    folder, wanted = saved
    model = LRASPP(num_classes=5, **SMALLEST)
    load_weights(model, folder / name)
    for ours, theirs in zip(model.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_another_class_count_names_the_tensor(saved):
    with pytest.raises(InputError) as caught:
        load_weights(LRASPP(num_classes=7, **SMALLEST), saved[0] / "model.keras")
    message = str(caught.value)
    assert "num_classes=5 in the file, 7 here" in message
    assert (
        "head_classes_conv/kernel (1, 1, 128, 5) in the file, (1, 1, 128, 7) here"
        in (message)
    )


def test_another_network_of_the_same_shapes_is_refused(saved):
    other = LRASPP(num_classes=5, backbone="small", width=0.35, output_stride=8)
    with pytest.raises(InputError, match="output_stride=32 in the file, 8 here"):
        load_weights(other, saved[0] / "model.keras")


def test_a_foreign_model_is_refused(tmp_path):
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    foreign.save(tmp_path / "foreign.keras")
    with pytest.raises(InputError, match="a Sequential, not an LRASPP"):
        load_weights(LRASPP(**SMALLEST), tmp_path / "foreign.keras")


def test_damage_is_refused_by_the_checksum(saved, tmp_path):
    content = bytearray((saved[0] / "model.keras").read_bytes())
    content[len(content) // 2] ^= 0x10
    (tmp_path / "flipped.keras").write_bytes(content)
    with pytest.raises(InputError, match="flipped.keras is damaged"):
        load_weights(LRASPP(num_classes=5, **SMALLEST), tmp_path / "flipped.keras")


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.keras", None, "no weights file"),
        ("empty.keras", b"", "damaged or no .keras"),
        ("page.keras", b"<html>", "damaged or no .keras"),
        ("weights.bin", b"1", "neither a .keras"),
        ("text.weights.h5", b"text", "no readable weights"),
    ],
)
def test_other_files_get_one_sentence(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_weights(LRASPP(num_classes=5, **SMALLEST), tmp_path / name)


def test_tensors_of_absurd_shape_are_refused(tmp_path):
    path = tmp_path / "absurd.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("vars/0", (1 << 40, 1 << 10), "f4", chunks=(1, 1))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="absurd.weights.h5 is refused: its tensors"):
        load_weights(LRASPP(num_classes=5, **SMALLEST), path)
