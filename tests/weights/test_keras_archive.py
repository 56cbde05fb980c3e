"""Keras's files: what would take memory without bound, or is no number, is refused."""

import io
import os
import random
import zipfile

import h5py
import numpy as np
import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.weights import keras_archive
from keras_lraspp.weights.keras_archive import (
    check_hdf5,
    copy_weights,
    read_keras_archive,
)


def hdf5(fill):
    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        fill(file)
    return content.getvalue()


def archive(path, weights=None, config="{}", kind=zipfile.ZIP_STORED, **members):
    if weights is None:
        weights = hdf5(lambda file: file.create_dataset("a/b", data=np.ones(3)))
    with zipfile.ZipFile(path, "w", kind) as file:
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", weights)
        for name, content in members.items():
            file.writestr(name, content)
    return path


def test_a_sound_file_passes(tmp_path):
    """Also one that somebody packed again; an optimizer's tensors are not counted."""

    def fill(file):
        for name in ("layers/a/vars/0", "optimizer/vars/1"):
            file[name] = np.ones((2, 3), "f4")
        file["layers/a/vars/1"] = np.ones((4,), "f2")
        file["none"], file["flag"] = np.ones((0, 5)), np.array(True)

    for kind in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = archive(tmp_path / "a.keras", hdf5(fill), '{"config": {"b": 1}}', kind)
        read = read_keras_archive(path)
        assert read.path == path and [*read.texts] == ["config.json"]
        assert read.config() == {"config": {"b": 1}}
        assert sorted(read.shapes) == [(), (0, 5), (2, 3), (4,)]


def absurd(file):
    file.create_dataset("ok", data=np.ones(3))
    file.create_dataset("huge", (1 << 40, 1 << 10), "f4", chunks=(1, 1))


def compressed(file):
    file.create_dataset("a", data=np.zeros(1 << 16, "f4"), compression="gzip")


def in_chunks(file):
    file.create_dataset("a", (1 << 24,), "f4", chunks=(64,))


def not_stored(file):
    file.create_dataset("a", (1 << 24,), "f4")


def reference(file):
    file["a"] = file.ref


def words(file):
    file["a"] = ["b"]


def another_float(file):
    """Four bytes that HDF5 scales by 2^27 as it reads them."""
    kind, space = h5py.h5t.IEEE_F32LE.copy(), h5py.h5s.create_simple((4,))
    kind.set_ebias(100)
    tensor = h5py.h5d.create(file.id, b"a", kind, space)
    tensor.write(h5py.h5s.ALL, h5py.h5s.ALL, np.ones(4, "f4"))


def three_bytes(file):
    file["a"] = np.ones(4, "V3")


def two_attributes(file):
    file["a"] = np.ones(4, "V2")
    file["a"].attrs["dtype"], file["a"].attrs["more"] = "bfloat16", 1


def attribute(file):
    """Keras reads it, and HDF5 hangs where its heap is damaged."""
    file["a"] = np.ones(4, "f4")
    file["a"].attrs["dtype"] = "bfloat16"


def many_groups(file):
    for index in range(5001):
        file.create_group(str(index))


def deep(file):
    for _ in range(60):
        file = file.create_group("a")


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
        (compressed, r"/a \(65536,\) is compressed, in chunks or not stored"),
        (in_chunks, "is compressed, in chunks or not stored"),
        (not_stored, "is compressed, in chunks or not stored"),
        (reference, "another type than bfloat16"),
        (words, "another type than bfloat16"),
        (another_float, "another type than bfloat16"),
        (three_bytes, "another type than bfloat16 and the numbers of NumPy"),
        (two_attributes, "/a has attributes"),
        (attribute, "/a has attributes"),
        (many_groups, "more than 5000 tensors"),
        (deep, "nested deeper than 50"),
        (external_link, "is a link"),
        (soft_link, "is a link"),
        (external_data, "in another file"),
        (virtual_data, "in another file"),
        (cycle, "/a/again is a group that it is in"),
        (empty, "is no tensor"),
    ],
)
def test_tensors_that_are_no_weights_are_refused(tmp_path, fill, says):
    content = hdf5(fill)
    assert len(content) < 1 << 22
    with pytest.raises(InputError, match=f"a.keras is refused.*{says}"):
        read_keras_archive(archive(tmp_path / "a.keras", content))
    (tmp_path / "a.weights.h5").write_bytes(content)
    with pytest.raises(InputError, match=says):
        check_hdf5(tmp_path / "a.weights.h5")


@pytest.mark.parametrize("value", [0x7F80, 0xFF80, 0x7FC0])  # inf, -inf, nan
def test_bfloat16_that_is_not_finite(tmp_path, value):
    def fill(file, value=value):
        file["a/b"] = np.array([0x3F80, value, 0x7F7F], "u2").view("V2")

    with pytest.raises(InputError, match="a.keras is refused: /a/b has values that"):
        read_keras_archive(archive(tmp_path / "a.keras", hdf5(fill)))
    sound = archive(tmp_path / "b.keras", hdf5(lambda file: fill(file, 0xC2F7)))
    assert read_keras_archive(sound).has_bfloat16
    assert not read_keras_archive(archive(tmp_path / "c.keras")).has_bfloat16


def test_the_copy_has_the_values_but_no_attribute_of_the_file(tmp_path):
    def fill(file):
        file["a/b"] = np.array([[0x3F80, 0xC2F7]], "u2").view("V2")  # 1, -123.5
        file["a/b"].attrs["dtype"] = "another"
        file["a"].attrs["name"], file["c"] = "a", np.float32(0.1)
        file["none"] = np.ones((0, 5), "f4")

    path = archive(tmp_path / "a.keras", hdf5(fill))
    copy_weights(path, tmp_path / "copy.h5")
    with h5py.File(tmp_path / "copy.h5") as copy:
        assert copy["a/b"].attrs["dtype"] == "bfloat16" and not copy["a"].attrs
        assert copy["a/b"][()].view("u2").tolist() == [[0x3F80, 0xC2F7]]
        assert copy["c"][()] == np.float32(0.1) and copy["none"].shape == (0, 5)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f2", "<f8"])
def test_row_55_values_that_are_not_finite(tmp_path, value, kind):
    def fill(file):
        values = np.ones((50, 3), "f4")
        values[31, 2] = value
        file["a/b"] = values.astype(kind)

    with pytest.raises(InputError, match="a.keras is refused: /a/b has values that"):
        read_keras_archive(archive(tmp_path / "a.keras", hdf5(fill)))
    (tmp_path / "a.weights.h5").write_bytes(hdf5(fill))
    with pytest.raises(InputError, match="not finite, as a training leaves"):
        check_hdf5(tmp_path / "a.weights.h5")


def test_values_that_a_float32_cannot_hold(tmp_path):
    for value in (np.float64(3e38), np.float64(1e39)):
        content = hdf5(lambda file, value=value: file.create_dataset("a", data=value))
        (tmp_path / "a.weights.h5").write_bytes(content)
        if value == 3e38:
            check_hdf5(tmp_path / "a.weights.h5")
    with pytest.raises(InputError, match="not finite"):
        check_hdf5(tmp_path / "a.weights.h5")


def test_mutated_headers_bring_only_typed_errors(tmp_path):
    """Without a checksum; before attributes were left alone, one in 200 hung HDF5."""

    def fill(file):
        for index in range(3):
            vars = file.create_group(f"layers/conv_{index}/vars")
            vars.attrs["name"] = f"conv_{index}"
            vars["0"], vars["1"] = np.ones((2, 3), "f4"), np.ones(3, "f4")
        file["optimizer/vars/0"] = np.int64(3)

    whole, rng = hdf5(fill), random.Random(0)
    path, refused = tmp_path / "a.weights.h5", 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8))):
            place = rng.randrange(len(whole) - 8)
            size = rng.choice((1, 2, 8))
            value = rng.choice((0, 1, 255, 2 ** (8 * size) - 8, rng.randrange(1 << 15)))
            value = value % 2 ** (8 * size)
            content[place : place + size] = value.to_bytes(size, "little")
        path.write_bytes(content)
        try:
            check_hdf5(path)
        except InputError as error:
            assert str(error).startswith(str(path))
            refused += 1
    assert 30 < refused < 300


def test_zip_bombs_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(keras_archive, "LARGEST_WEIGHTS", 1 << 20)
    rest = {"kind": zipfile.ZIP_DEFLATED, "rest": bytes(2 << 20)}
    path = archive(tmp_path / "bomb.keras", **rest)
    assert path.stat().st_size < 1 << 16
    with pytest.raises(InputError, match="unpacks to 3 files of 20"):
        read_keras_archive(path)
    path = archive(tmp_path / "many.keras", **{f"m{i}": "" for i in range(70)})
    with pytest.raises(InputError, match="unpacks to 72 files"):
        read_keras_archive(path)
    monkeypatch.undo()
    rest = {"kind": zipfile.ZIP_DEFLATED, "rest": bytes(65 << 20)}
    with pytest.raises(InputError, match="what is compressed in it unpacks to 681"):
        read_keras_archive(archive(tmp_path / "bomb.keras", **rest))
    path = archive(tmp_path / "lzma.keras", kind=zipfile.ZIP_LZMA)
    with pytest.raises(InputError, match="in a way that is not used for weights"):
        read_keras_archive(path)


def test_members_that_share_a_name_or_their_bytes(tmp_path):
    path = archive(tmp_path / "a.keras")
    content = path.read_bytes()
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as f:
        f.writestr("config.json", "{}")
    with pytest.raises(InputError, match="has a file in it twice"):
        read_keras_archive(path)
    # The directory once more, under another name of the same length.
    start = content.index(b"PK\1\2")
    end = content.index(b"PK\5\6")
    entries = content[start:end]
    entries += entries.replace(b"model.weights", b"other.weights").replace(b"on", b"no")
    tail = bytearray(content[end:])
    tail[8:12] = (4).to_bytes(2, "little") * 2
    tail[12:16] = len(entries).to_bytes(4, "little")
    path.write_bytes(content[:start] + entries + tail)
    assert len(zipfile.ZipFile(path).namelist()) == 4
    with pytest.raises(InputError, match="files that share their bytes"):
        read_keras_archive(path)


def test_a_directory_of_many_members_is_not_read(tmp_path):
    path = archive(tmp_path / "a.keras", **{f"{i}": "" for i in range(25_000)})
    with pytest.raises(InputError, match="more than 1048576 bytes of directory"):
        read_keras_archive(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_no_archive(tmp_path):
    os.mkfifo(tmp_path / "a.keras")
    for read in (read_keras_archive, check_hdf5):
        with pytest.raises(InputError, match="a.keras is a pipe"):
            read(tmp_path / "a.keras")


def test_an_understated_size_is_no_way_around(tmp_path):
    """The directory says 10 bytes, the member unpacks to more."""
    rest = {"kind": zipfile.ZIP_DEFLATED, "rest": bytes(100_000)}
    path = archive(tmp_path / "a.keras", **rest)
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
    ("config", "says"),
    [
        ("", "config.json is not JSON"),
        ("{", "config.json is not JSON"),
        ('{"config": {}, "config": {}}', "key 'config' twice"),
        ("[]", "config.json is a list of 0, not an object"),
        ("{}", "no .keras file of a model"),
        ('{"config": 1}', "no .keras file of a model"),
        (" " * (2 << 20), "has no config.json of at most 1048576 bytes"),
        ("[" * 100_000, "config.json is nested too deeply"),
        ('{"config": {"num_classes": 1' + "0" * 9999 + "}}", "of 10000 digits"),
    ],
)
def test_a_config_that_is_none(tmp_path, config, says):
    with pytest.raises(InputError, match=f"a.keras.*{says}"):
        read_keras_archive(archive(tmp_path / "a.keras", config=config)).config()
