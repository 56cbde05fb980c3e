"""PyTorch's checkpoints: what is read of them, in both formats."""

import zipfile

import numpy as np
import pytest

from harness import pytorch as made
from harness.pytorch import LEGACY, OLD_ZIP, TENSORS, ZIP
from keras_lraspp.errors import InputError
from keras_lraspp.weights import read_pytorch


def same(tensors, expected=TENSORS):
    assert list(tensors) == list(expected)
    for name, value in tensors.items():
        assert value.dtype == "float32" and value.flags.c_contiguous
        assert value.shape == expected[name].shape
        np.testing.assert_array_equal(value, expected[name])
    return True


@pytest.mark.parametrize("path", [LEGACY, OLD_ZIP, ZIP], ids=lambda path: path.stem)
def test_what_torch_wrote(path):
    assert same(read_pytorch(path))
    assert zipfile.is_zipfile(path) is (path is not LEGACY)


@pytest.mark.backends
@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_writes(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    path, tensors = tmp_path / "a.pth", made.state_dict(torch)

    def save(content, protocol=2):
        kind = {"_use_new_zipfile_serialization": zipped}
        torch.save(content, path, pickle_protocol=protocol, **kind)
        return path

    assert same(read_pytorch(save(made.checkpoint(torch))))
    assert same(read_pytorch(save(made.checkpoint(torch), protocol=4)))
    assert same(read_pytorch(save(tensors)))
    assert same(read_pytorch(save({"model": {"state_dict": dict(tensors)}})))
    ramp = torch.arange(12.0)
    read = read_pytorch(save({"a": ramp.reshape(3, 4).T[:, 1:], "b": ramp[2:]}))
    np.testing.assert_array_equal(read["a"], ramp.numpy().reshape(3, 4).T[:, 1:])
    np.testing.assert_array_equal(read["b"], ramp.numpy()[2:])


@pytest.mark.backends
@pytest.mark.parametrize("zipped", [True, False])
def test_a_whole_module_is_refused(tmp_path, zipped):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pth"
    torch.save(torch.nn.Linear(2, 1), path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"a\.pth .*a whole module.*`state_dict\(\)`"):
        read_pytorch(path)


@pytest.mark.backends
@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_torch_script_is_refused(tmp_path):
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), path)
    with pytest.raises(InputError, match=r"a\.pt is a TorchScript archive.*jit\.load"):
        read_pytorch(path)
