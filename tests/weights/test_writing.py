"""Tensors written for PyTorch and PaddlePaddle, as those frameworks read them."""

import os
import pickle
import pickletools
import zipfile

import numpy as np
import pytest

from harness.pytorch import TENSORS
from keras_lraspp.errors import StorageError
from keras_lraspp.weights import (
    read_pdparams,
    read_pytorch,
    write_pdparams,
    write_pytorch,
)

BESIDE = {"num_classes": 19, "meta": {"CLASSES": ("road",), "PALETTE": [[128, 64, 0]]}}


def same(read):
    assert list(read) == list(TENSORS)
    for name, value in TENSORS.items():
        assert read[name].dtype == "float32" and read[name].shape == value.shape
        np.testing.assert_array_equal(read[name], value)
    return True


def test_what_is_written_is_read(tmp_path):
    """Also what is not contiguous, or of another type or byte order."""
    odd = dict(TENSORS)
    odd["conv.weight"] = odd["conv.weight"].astype(">f8")
    write_pytorch(odd, tmp_path / "folder" / "a.pth")
    assert same(read_pytorch(tmp_path / "folder" / "a.pth"))
    write_pytorch(odd, tmp_path / "b.pth", BESIDE)
    assert same(read_pytorch(tmp_path / "b.pth"))
    write_pdparams(odd, tmp_path / "a.pdparams")
    assert same(read_pdparams(tmp_path / "a.pdparams"))
    assert sorted(os.listdir(tmp_path)) == ["a.pdparams", "b.pth", "folder"]


@pytest.mark.backends
def test_torch_reads_it(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    for beside in (None, BESIDE):
        write_pytorch(TENSORS, path, beside)
        for options in (
            {"weights_only": True},
            {"weights_only": False},
            {"mmap": True},
        ):
            content = torch.load(path, **options)
            read = content if beside is None else content.pop("state_dict")
            assert same({name: value.numpy() for name, value in read.items()})
            assert all(value.is_contiguous() for value in read.values())
            assert beside in (None, content)


@pytest.mark.backends
def test_a_module_of_torch_takes_it(tmp_path):
    """By `strict=True`, without the counters of batches, which are not written."""
    torch = pytest.importorskip("torch")
    layers = [torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)]
    written, taken = (
        torch.nn.Sequential(*layers),
        torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)),
    )
    written(torch.rand(2, 3, 5, 5))
    torch.save(written.state_dict(), tmp_path / "a.pth")
    write_pytorch(read_pytorch(tmp_path / "a.pth"), tmp_path / "b.pth")
    taken.load_state_dict(torch.load(tmp_path / "b.pth"), strict=True)
    images = torch.rand(2, 3, 5, 5)
    assert torch.equal(written.eval()(images), taken.eval()(images))


def test_the_members_of_a_zip_of_pytorch(tmp_path):
    path = tmp_path / "a.pth"
    write_pytorch(TENSORS, path)
    content = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.read("archive/version") == b"3\n"
        assert archive.read("archive/byteorder") == b"little"
        assert archive.testzip() is None
        for name, value in zip(names[2:], TENSORS.values(), strict=False):
            raw = np.ascontiguousarray(value).tobytes()
            assert archive.read(name) == raw
            # Who maps the file needs its numbers at multiples of 64, as of torch.
            header = archive.getinfo(name).header_offset
            begin = content.index(raw, header)
            assert begin % 64 == 0 and begin < header + 200
    assert names[0] == "archive/data.pkl" and names[-1] == "archive/version"
    write_pytorch(TENSORS, path)
    assert path.read_bytes() == content  # no time in it


def test_a_pickle_of_paddlepaddle(tmp_path):
    path = tmp_path / "a.pdparams"
    write_pdparams(TENSORS, path)
    content = path.read_bytes()
    assert same(pickle.loads(content))
    called = {
        value for op, value, _ in pickletools.genops(content) if op.name == "GLOBAL"
    }
    # As NumPy 1 and 2 know it.
    assert called == {
        "numpy.core.multiarray _reconstruct",
        "numpy ndarray",
        "numpy dtype",
    }


@pytest.mark.parametrize("write", [write_pytorch, write_pdparams])
def test_a_file_is_replaced_in_one_step(tmp_path, write, monkeypatch):
    path = tmp_path / "a"
    write(TENSORS, path)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"Cannot write .*a: No space left"):
        write({"a": np.ones(3)}, path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["a"]
