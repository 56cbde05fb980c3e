"""Keras's files: what would take memory without bound, or another file, is refused."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.models import keras_file
from keras_lraspp.models.keras_file import check_hdf5, read_keras_archive


def hdf5(fill):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def archive(path, weights=None, config="{}", **members):
    if weights is None:
        weights = hdf5(lambda file: file.create_dataset("a/b", data=np.ones(3)))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", weights)
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_sound_file_passes(tmp_path):
    path = archive(tmp_path / "a.keras", config='{"config": {"b": 1}}')
    read = read_keras_archive(path)
    assert read.path == path and [*read.texts] == ["config.json"]
    assert read.config() == {"config": {"b": 1}}


def absurd(file):
    file.create_dataset("ok", data=np.ones(3))
    file.create_dataset("huge", (1 << 40, 1 << 10), "f4", chunks=(1, 1))


def many(file):
    for index in range(9):
        file.create_dataset(f"part_{index}", (1 << 24,), "f4", chunks=(64,))


def external_link(file):
    file["a"] = h5py.ExternalLink("/etc/passwd", "x")


def soft_link(file):
    file["a"] = h5py.SoftLink("/b")


def external_data(file):
    file.create_dataset("a", (8,), "u1", external=[("/etc/hostname", 0, 8)])


def virtual_data(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "a", (4,))
    file.create_virtual_dataset("a", layout)


def cycle(file):
    file.create_group("a")["again"] = file["/"]


def empty(file):
    file["a"] = h5py.Empty("f4")


@pytest.mark.parametrize(
    ("fill", "says"),
    [
        (absurd, r"huge \(1099511627776, 1024\) among them"),
        (many, "more than 512 MiB"),
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (external_data, "in another file"),
        (virtual_data, "in another file"),
        (cycle, "more than 5000 tensors"),
        (empty, "is no tensor"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path, fill, says):
    content = hdf5(fill)
    assert len(content) < 1 << 20
    with pytest.raises(InputError, match=f"a.keras is refused.*{says}"):
        read_keras_archive(archive(tmp_path / "a.keras", content))
    (tmp_path / "a.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=says):
        check_hdf5(tmp_path / "a.weights.h5")


def test_zip_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_file, "_LARGEST_WEIGHTS", 1 << 20)
    path = archive(tmp_path / "bomb.keras", rest=bytes(2 << 20))
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="unpacks to 3 files of 20"):
        read_keras_archive(path)
    path = archive(tmp_path / "many.keras", **{f"m{i}": "" for i in range(70)})
    with pytest.raises(InputError, match="unpacks to 72 files"):
        read_keras_archive(path)


def test_an_understated_size_is_no_way_around(tmp_path):
    """The directory says 10 bytes, the member unpacks to more."""
    path = archive(tmp_path / "a.keras", rest=bytes(100_000))
    content = path.read_bytes()
    size = (100_000).to_bytes(4, "little")
    assert content.count(size) == 2
    path.write_bytes(content.replace(size, (10).to_bytes(4, "little")))
    with pytest.raises(InputError, match="damaged"):
        read_keras_archive(path)


def test_damage_is_found(tmp_path):
    content = bytearray(archive(tmp_path / "a.keras").read_bytes())
    content[len(content) // 3] ^= 1
    (tmp_path / "a.keras").write_bytes(content)
    with pytest.raises(InputError, match="a.keras is damaged"):
        read_keras_archive(tmp_path / "a.keras")
    (tmp_path / "b.keras").write_bytes(b"<html>")
    with pytest.raises(InputError, match="damaged or no .keras file"):
        read_keras_archive(tmp_path / "b.keras")
    with pytest.raises(InputError, match="no readable weights"):
        read_keras_archive(archive(tmp_path / "c.keras", b"text"))


@pytest.mark.parametrize(
    "config", ["", "{", "[]", "{}", '{"config": 1}', " " * (2 << 20), "[" * 100_000]
)
def test_a_config_that_is_none(tmp_path, config):
    with pytest.raises(InputError, match="no .keras file of a model"):
        read_keras_archive(archive(tmp_path / "a.keras", config=config)).config()
    assert isinstance(json.dumps(config), str)
