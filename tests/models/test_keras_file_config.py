"""What a .keras file may ask for: an LRASPP of plain arguments."""

import io
import json
import zipfile

import h5py
import keras
import pytest

from keras_lraspp import LRASPP
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import ARGUMENTS, read_arguments
from keras_lraspp.weights.keras_archive import read_keras_archive

ARCHITECTURE = {
    "num_classes": 5,
    "backbone": "small",
    "width": 0.35,
    "output_stride": 16,
    "pooling": "large_kernel",
    "head_filters": 32,
}


def write(path, config, weights=None):
    if weights is None:
        weights = io.BytesIO()
        h5py.File(weights, "w").close()
        weights = weights.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def arguments(path):
    return read_arguments(read_keras_archive(path))


def test_the_arguments_of_a_saved_network(tmp_path):
    model = LRASPP(**ARCHITECTURE, input_shape=(800, 900, 3))
    model.save(tmp_path / "a.keras")
    assert arguments(tmp_path / "a.keras") == ARCHITECTURE


def test_every_argument_that_makes_the_network_is_read():
    """Whoever adds an argument to LRASPP adds it to the list, or here."""
    others = {"input_shape", "name", "trainable"}
    assert {row.name for row in ARGUMENTS} | others == {*LRASPP().get_config()}


def test_a_file_of_before_an_argument_was_added(tmp_path):
    path = write(tmp_path / "a.keras", {"class_name": "LRASPP", "config": {}})
    assert arguments(path) == {row.name: row.default for row in ARGUMENTS}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 10**12),
        ("num_classes", 0),
        ("num_classes", True),
        ("num_classes", "19"),
        ("width", 1e9),
        ("width", float("nan")),
        ("head_filters", 10**12),
        ("backbone", "huge"),
        ("backbone", {"class_name": "Lambda"}),
        ("output_stride", 1),
        ("pooling", ["global"]),
    ],
)
def test_arguments_out_of_range(tmp_path, name, value):
    config = {"class_name": "LRASPP", "config": {**ARCHITECTURE, name: value}}
    with pytest.raises(
        InputError, match=f"a.keras has the invalid LRASPP argument {name}="
    ):
        arguments(write(tmp_path / "a.keras", config))


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_lambda_is_refused_and_does_not_run(tmp_path):
    flag = tmp_path / "ran"
    pixels, file = keras.Input((2,)), str(flag)
    code = keras.layers.Lambda(lambda x: (open(file, "w").close(), x)[1])
    keras.Model(pixels, code(pixels)).save(tmp_path / "evil.keras")
    assert flag.exists()
    flag.unlink()
    with pytest.raises(InputError, match="holds a Functional, not an LRASPP"):
        LRASPP.from_preset(tmp_path / "evil.keras")
    # Under our name, and with our arguments replaced by its code.
    with zipfile.ZipFile(tmp_path / "evil.keras") as archive:
        config = json.loads(archive.read("config.json"))
        weights = archive.read("model.weights.h5")
    config = {**config, "class_name": "LRASPP"}
    path = write(tmp_path / "posing.keras", config, weights)
    with pytest.raises(InputError, match="does not fit the model"):
        LRASPP.from_preset(path)
    assert not flag.exists()
