"""PaddlePaddle's checkpoints: every way they are packed, and what is refused."""

import gzip
import io
import pickle
import tarfile

import numpy as np
import pytest

from harness.paddle import write_pdparams
from keras_lraspp.errors import InputError
from keras_lraspp.weights import read_pdparams, tensors

TENSORS = {
    "conv.weight": np.arange(24, dtype="float32").reshape(2, 3, 2, 2),
    "bn._mean": np.array([0.5, -1.5]),
}


def tar(path, members, mode="w:gz"):
    """An archive of (name, bytes), or of links: (name, target as text)."""
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def file(tmp_path):
    return write_pdparams(tmp_path / "folder" / "model.pdparams", TENSORS)


def same(tensors):
    assert list(tensors) == list(TENSORS)
    for name, value in tensors.items():
        assert value.dtype == "float32"
        np.testing.assert_array_equal(value, TENSORS[name])
    return True


def test_a_file_a_folder_or_an_archive(file, tmp_path):
    assert same(read_pdparams(file))
    assert same(read_pdparams(file.parent))
    content = file.read_bytes()
    members = [("a", b"12"), ("a/../../model.pdparams", content)]
    assert same(read_pdparams(tar(tmp_path / "a.tar.gz", members)))
    assert same(read_pdparams(tar(tmp_path / "a.tar", members, "w")))
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.tar",
        "a.tar.gz",
        "folder",
    ]  # nothing was extracted


def test_a_link_in_an_archive_is_not_followed(file, tmp_path):
    path = tar(tmp_path / "link.tar.gz", [("model.pdparams", str(file))])
    with pytest.raises(InputError, match=r"holds no file model.pdparams"):
        read_pdparams(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ([1, 2], "holds a list"),
        ({}, "holds 0 tensors"),
        ({"a": "text"}, "a is no float tensor, but str"),
        ({"a": np.arange(3)}, "a is no float tensor, but int64"),
        ({"a": {"b": np.ones(3)}}, "a is no float tensor, but dict"),
        ({"ok": np.ones(2), "a": np.array([1, np.nan])}, "a has values that are not"),
        ({"a": np.array([1e300])}, "a has values that are not"),
    ],
)
def test_what_is_no_checkpoint(tmp_path, content, says):
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(InputError, match=f"model.pdparams.*{says}"):
        read_pdparams(path)


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def test_a_malicious_file_is_refused_and_nothing_ran(tmp_path):
    path = tmp_path / "model.pdparams"
    path.write_bytes(pickle.dumps({"a": Touch(str(tmp_path / "ran"))}))
    archive = tar(tmp_path / "a.tar.gz", [("model.pdparams", path.read_bytes())])
    for file in (path, tmp_path, archive):
        with pytest.raises(InputError, match=r"io.open.*nothing in it was run"):
            read_pdparams(file)
    assert not (tmp_path / "ran").exists()
    pickle.loads(path.read_bytes())["a"].close()
    assert (tmp_path / "ran").exists()  # it would have run


def test_sizes_are_bounded(file, tmp_path, monkeypatch):
    monkeypatch.setattr(tensors, "LARGEST_FILE", 1 << 20)
    big = tmp_path / "big.pdparams"
    big.write_bytes(bytes((1 << 20) + 1))
    with pytest.raises(InputError, match="holds more than 1 MiB"):
        read_pdparams(big)
    bomb = tmp_path / "bomb.tar.gz"
    for name, headers in (
        ("model.pdparams", {}),
        ("other", {}),
        ("model.pdparams", {"comment": "a" * (2 << 20)}),
        # All of it is a hole, of which the archive has no byte.
        ("model.pdparams", {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(2 << 20)}),
    ):
        member = tarfile.TarInfo(name)
        member.size = 0 if headers else 50 << 20
        member.pax_headers = headers
        with tarfile.open(bomb, "w:gz", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
        assert bomb.stat().st_size < 1 << 19
        with pytest.raises(InputError, match="holds more than 1 MiB"):
            read_pdparams(bomb)
    # Arrays that share their bytes.
    array = np.zeros(100_000, "float32")
    path = tmp_path / "shared.pdparams"
    path.write_bytes(pickle.dumps({str(index): array for index in range(10)}))
    assert path.stat().st_size < 1 << 19
    with pytest.raises(InputError, match="holds more than 1 MiB"):
        read_pdparams(path)
    monkeypatch.setattr(tensors, "MOST_TENSORS", 1)
    with pytest.raises(InputError, match="holds 2 tensors"):
        read_pdparams(file)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pdparams", None, "check the path"),
        ("empty.pdparams", b"", "no pickle"),
        ("page.pdparams", b"<html><body>404", "no pickle|more than arrays"),
        ("page.tar.gz", b"<html><body>404", "damaged archive"),
        ("cut.tar.gz", gzip.compress(bytes(5000), mtime=0)[:-9], "damaged archive"),
        ("flipped.tar.gz", b"\x1f\x8b\x08" + bytes(100), "damaged archive"),
        ("zeros.tar.gz", gzip.compress(bytes(10240), mtime=0), "holds no file"),
    ],
)
def test_other_files_get_one_sentence(tmp_path, name, content, says):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}.*({says})"):
        read_pdparams(tmp_path / name)


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(InputError, match=r"no weights file .*model.pdparams"):
        read_pdparams(tmp_path)
