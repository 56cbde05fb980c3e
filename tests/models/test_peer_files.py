"""The way back: weights of a network here as files of the code base that it is of."""

import collections
import io
import pickle
import zipfile

import numpy as np
import pytest

from harness import reference
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP
from keras_lraspp.classes import generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.models.importing import fill
from keras_lraspp.models.peer_files import save_peer_weights
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import read_tensors

CLASSES = generic_class_set(3)


@pytest.fixture(autouse=True)
def few_blocks(monkeypatch):
    with_few_blocks(monkeypatch)


def network(family, **arguments):
    """A small network with the rule's weights, and these by the code base's names."""
    strides = {"torchvision": 16}.get(family, 8)
    pooling = "large_kernel" if family in ("fastseg", "mmseg") else "global"
    given = {"output_stride": strides, "pooling": pooling, "head_filters": 16}
    model = LRASPP(3, "small", family=family, **{**given, **arguments})
    tensors = {}
    for row in reference_tensors(model):
        for name in filter(None, (row.name, row.minus)):
            tensors[name] = reference.tensor(name, row.shape)
    fill(model, tensors, "rule")
    return model, tensors


@pytest.mark.parametrize(
    ("family", "suffix"),
    [
        ("paddleseg", "pdparams"),
        ("torchvision", "pth"),
        ("fastseg", "pt"),
        ("mmseg", "pth"),
        ("mmseg", "safetensors"),
    ],
)
def test_tensors_come_back_to_the_bit(tmp_path, family, suffix):
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    model, wanted = network(family)
    path = tmp_path / f"out.{suffix}"
    save_peer_weights(model, path, family, classes=CLASSES)
    found = read_tensors(path)
    assert {*found} == {*wanted}
    for row in reference_tensors(model):
        if row.minus is not None:  # a bias, which the mean takes up
            wanted[row.name] = wanted[row.name] - wanted[row.minus]
            wanted[row.minus] = np.zeros(row.shape)
    for name, value in found.items():
        np.testing.assert_array_equal(value, wanted[name], name)


def test_what_stands_beside_the_tensors(tmp_path):
    """What fastseg's `from_pretrained` and mmsegmentation's `init_model` ask for."""
    model, _ = network("fastseg")
    save_peer_weights(model, tmp_path / "a.pt", classes=CLASSES)
    content = load(tmp_path / "a.pt")
    assert content["num_classes"] == 3
    assert all(name.startswith("module.") for name in content["state_dict"])
    assert content["state_dict"]["module.trunk.early.1.num_batches_tracked"] == "Long"
    model, _ = network("mmseg")
    save_peer_weights(model, tmp_path / "a.pth", classes=CLASSES)
    meta = load(tmp_path / "a.pth")["meta"]
    names, palette = ["class 0", "class 1", "class 2"], [*map(list, CLASSES.palette)]
    assert meta["dataset_meta"] == {"classes": names, "palette": palette}
    assert (meta["CLASSES"], meta["PALETTE"]) == (names, palette)


class _Tensor(pickle.Unpickler):
    """Reads a checkpoint's `data.pkl`; of a tensor only the type of its numbers."""

    def find_class(self, module, name):
        if name == "_rebuild_tensor_v2":
            return lambda storage, *rest: storage
        return collections.OrderedDict if name == "OrderedDict" else name

    def persistent_load(self, found):
        return found[1].removesuffix("Storage")


def load(path):
    with zipfile.ZipFile(path) as archive:
        return _Tensor(io.BytesIO(archive.read("archive/data.pkl"))).load()


@pytest.mark.parametrize(
    ("arguments", "name", "to", "says"),
    [
        ({}, "a.pth", "torchvision", "family 'paddleseg', and torchvision has no such"),
        ({}, "a.pth", None, r"PaddleSeg does not load .pth, but .pdparams; rename"),
        ({"family": "mmseg"}, "a.pdparams", None, "mmsegmentation does not load .pdp"),
        ({"family": "tensorflow"}, "a.pth", None, "no code base .* 'tensorflow', only"),
        ({"input_shape": (None, None, 4)}, "a.pdparams", None, "channels=4 here, 3"),
        (
            {"family": "torchvision", "width": 0.5},
            "a.pth",
            None,
            "torchvision has no such .* width=0.5 here, 1.0 there; output_stride=8 h",
        ),
        ({"family": "fastseg"}, "a.pt", None, "pooling='global' here, 'large_kernel'"),
    ],
)
def test_networks_that_the_code_base_has_not(tmp_path, arguments, name, to, says):
    model = LRASPP(3, "small", **arguments)
    with pytest.raises(InputError, match=says):
        save_peer_weights(model, tmp_path / name, to, classes=CLASSES)
    assert not (tmp_path / name).exists()
