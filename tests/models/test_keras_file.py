"""Keras files: weights go in, wrong ones are named; arguments are plain."""

import io
import json
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from harness.children import run_program
from keras_lraspp import LRASPP, Segmenter
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import (
    ARGUMENTS,
    load_weights,
    read_arguments,
)
from keras_lraspp.models.variants import weight_shapes
from keras_lraspp.weights.keras_archive import read_keras_archive

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    model = LRASPP(num_classes=5, **SMALLEST)
    model.save(folder / "model.keras")
    model.save_weights(folder / "model.weights.h5")
    return folder, model.get_weights()


@pytest.fixture(scope="module")
def network():
    """One that no file gets its weights into."""
    return LRASPP(num_classes=5, **SMALLEST)


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


def test_a_network_of_other_channels_is_refused(saved):
    other = LRASPP(num_classes=5, input_shape=(None, None, 4), **SMALLEST)
    with pytest.raises(InputError) as caught:
        load_weights(other, saved[0] / "model.keras")
    message = str(caught.value)
    assert "is a network for 3-channel images, this one is for 4" in message
    assert "set LRASPP.input_shape = (None, None, 3)" in message


def test_a_foreign_model_is_refused(network, tmp_path):
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(2)])
    foreign.save(tmp_path / "foreign.keras")
    with pytest.raises(InputError, match="a Sequential, not an LRASPP"):
        load_weights(network, tmp_path / "foreign.keras")


def test_damage_is_refused_by_the_checksum(saved, network, tmp_path):
    content = bytearray((saved[0] / "model.keras").read_bytes())
    content[len(content) // 2] ^= 0x10
    (tmp_path / "flipped.keras").write_bytes(content)
    with pytest.raises(InputError, match="flipped.keras is damaged"):
        load_weights(network, tmp_path / "flipped.keras")


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
def test_other_files_get_one_sentence(network, tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=says):
        load_weights(network, tmp_path / name)


def test_tensors_of_absurd_shape_are_refused(network, tmp_path):
    path = tmp_path / "absurd.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("vars/0", (1 << 40, 1 << 10), "f4", chunks=(1, 1))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="absurd.weights.h5 is refused: its tensors"):
        load_weights(network, path)


ARCHITECTURE = {
    "num_classes": 5,
    "backbone": "small",
    "width": 0.35,
    "output_stride": 16,
    "pooling": "large_kernel",
    "head_filters": 32,
    "family": "paddleseg",
}
RGB = {"input_shape": (None, None, 3)}


def write(path, config, weights=None):
    if weights is None:
        content = io.BytesIO()
        with h5py.File(content, "w") as file:
            for name, shape in weight_shapes({**ARCHITECTURE, **RGB}).items():
                file[name] = np.zeros(shape, "f4")
        weights = content.getvalue()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights)
    return path


def arguments(path):
    return read_arguments(read_keras_archive(path))


def test_the_arguments_of_a_saved_network(tmp_path):
    model = LRASPP(**ARCHITECTURE, input_shape=(800, 900, 3))
    model.save(tmp_path / "a.keras")
    assert arguments(tmp_path / "a.keras") == {**ARCHITECTURE, **RGB}


def test_every_argument_that_makes_the_network_is_read():
    """Whoever adds an argument to LRASPP adds it to the list, or here."""
    others = {"name", "trainable", "dtype", "layer_settings", "classes"}
    assert {row.name for row in ARGUMENTS} | others == {*LRASPP().get_config()}


def test_a_file_of_before_an_argument_was_added(tmp_path):
    config = {**ARCHITECTURE}
    del config["output_stride"], config["family"]
    path = write(tmp_path / "a.keras", {"class_name": "LRASPP", "config": config})
    assert arguments(path) == {**ARCHITECTURE, **RGB, "output_stride": 8}
    assert {row.name: row.default for row in ARGUMENTS}["output_stride"] == 8


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("num_classes", 10**12),
        ("num_classes", 0),
        ("num_classes", True),
        ("num_classes", "19"),
        ("width", 1e9),
        ("head_filters", 10**12),
        ("backbone", "huge"),
        ("backbone", {"class_name": "Lambda"}),
        ("output_stride", 1),
        ("pooling", ["global"]),
        ("input_shape", [None, None, 65]),
        ("input_shape", [None, None, True]),
        ("input_shape", [3]),
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
    with pytest.raises(InputError, match="does not hold the weights"):
        LRASPP.from_preset(path)
    assert not flag.exists()


CLAIM = """
    import json, sys, time
    import tensorflow
    from keras_lraspp import LRASPP

    def memory(row):
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) for line in status if row in line)

    LRASPP(backbone="small", width=0.35, output_stride=32)
    results = []
    for path in sys.argv[1:]:
        with open("/proc/self/clear_refs", "w") as file:
            file.write("5")  # the highest so far is forgotten
        before, start = memory("VmRSS"), time.process_time()
        try:
            LRASPP.from_preset(path)
        except Exception as error:
            seconds = time.process_time() - start
            kilobytes = memory("VmHWM") - before
            results.append([seconds, kilobytes, f"{type(error).__name__}: {error}"])
    print(json.dumps(results))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
def test_row_52_what_a_file_claims_takes_neither_memory_nor_time(tmp_path):
    claimed = {**ARCHITECTURE, "backbone": "large", "width": 4.99}
    claimed |= {"head_filters": 4096, "num_classes": 65536}
    few = {**ARCHITECTURE, "head_filters": 4096}
    many = {**ARCHITECTURE, "num_classes": 65536}
    packed = io.BytesIO()
    with h5py.File(packed, "w") as file:
        for name, shape in weight_shapes({**claimed, **RGB}).items():
            file.create_dataset(name, shape, "f4", chunks=True, compression="gzip")
    paths = []
    for config, weights in (
        (claimed, None),
        (few, None),
        (many, None),
        (claimed, packed.getvalue()),
    ):
        path = tmp_path / f"{len(paths)}.keras"
        config = {"class_name": "LRASPP", "config": config}
        paths.append(write(path, config, weights))
    results = run_program(CLAIM, *paths)
    assert len(results) == len(paths)
    for seconds, kilobytes, said in results:
        assert said.startswith(f"InputError: {tmp_path}") and ".keras" in said
        assert seconds < 2 and kilobytes < 100_000, said


@pytest.mark.backends
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_negative_variances_are_refused(tmp_path, name):
    """Their square root is no number."""
    model = LRASPP(num_classes=5, **SMALLEST)
    model.get_layer("head_value_bn").moving_variance.assign(np.full(128, -1.0))
    (model.save_weights if name.endswith("h5") else model.save)(tmp_path / name)
    with pytest.raises(InputError, match=f"{name} has negative variances in head_val"):
        load_weights(model, tmp_path / name)


@pytest.mark.backends
@pytest.mark.parametrize("name", ["model.keras", "model.weights.h5"])
def test_row_55_weights_that_are_not_finite_are_refused(network, tmp_path, name):
    model = LRASPP(num_classes=5, **SMALLEST)
    model.get_layer("head_value_bn").gamma.assign(np.full(128, np.nan))
    (model.save_weights if name.endswith("h5") else model.save)(tmp_path / name)
    before = network.get_weights()
    with pytest.raises(InputError, match=f"{name} is refused: .* not finite"):
        load_weights(network, tmp_path / name)
    for ours, theirs in zip(network.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    if name.endswith("keras"):
        with pytest.raises(InputError, match="not finite"):
            LRASPP.from_preset(tmp_path / name)
        with pytest.raises(InputError, match="not finite"):
            Segmenter(tmp_path / name)
