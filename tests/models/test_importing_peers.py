"""Weights of torchvision, fastseg and mmsegmentation: names, recognition, refusals."""

import numpy as np
import pytest

from harness import reference
from harness.stand_ins import with_few_blocks
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.errors import InputError
from keras_lraspp.models.importing import fill
from keras_lraspp.models.presets import load_preset
from keras_lraspp.models.tensor_names import (
    canonical_name,
    family_of,
    reference_tensors,
)
from keras_lraspp.weights import write_pytorch

SMALL = ("fastseg_small_f64", "mmseg_small")


@pytest.fixture(scope="module")
def small():
    """Networks with the rule's weights, and those weights."""
    return {name: (reference.model(name), reference.state_dict(name)) for name in SMALL}


def zeros(variant, **shapes):
    """The tensors of a variant without their values."""
    named = {**reference.names(variant), **shapes}
    return {name: np.zeros(shape, "float32") for name, shape in named.items()}


def arguments_of(path, **given):
    """The arguments that a file's network is built with."""
    given = {"num_classes": None, "variant": None, **given}
    return load_preset(dict, path, load_weights=False, strict=True, **given)


@pytest.mark.parametrize("variant", ["torchvision_large", "fastseg_large_f128", *SMALL])
def test_names_and_shapes_are_those_of_the_code_base(variant, small):
    model = small[variant][0] if variant in SMALL else None
    model = model or LRASPP(**reference.PEERS[variant])
    rows = list(reference_tensors(model))
    assert {row.name: list(row.shape) for row in rows} == reference.names(variant)
    assert len(rows) == len(model.weights)
    assert not any(row.minus for row in rows)


@pytest.mark.parametrize("variant", reference.PEERS)
def test_a_file_says_which_network_it_is_of(tmp_path, variant):
    arguments = reference.PEERS[variant]
    write_pytorch(zeros(variant), tmp_path / "a.pth")
    found = arguments_of(tmp_path / "a.pth")
    plain = {"backbone": "large", "width": 1.0, "pooling": "global", "num_classes": 19}
    plain |= {"output_stride": 8, "head_filters": 128}
    assert found == {**plain, **arguments}


@pytest.mark.parametrize("variant", SMALL)
def test_a_file_fills_the_network_that_it_names(tmp_path, variant, small):
    wanted, tensors = small[variant]
    write_pytorch({f"module.{name}": tensors[name] for name in tensors}, tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "a.pt")
    model = LRASPP.from_preset(tmp_path / "a.pt")
    assert model.family == wanted.family
    for ours, theirs in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_other_filters_and_classes_than_anybody_published(tmp_path):
    own = {
        name: [{64: 96, 19: 11}.get(size, size) for size in shape]
        for name, shape in reference.names("fastseg_small_f64").items()
        if name.startswith(("last", "aspp_conv1"))
    }
    write_pytorch(zeros("fastseg_small_f64", **own), tmp_path / "a.pth")
    found = arguments_of(tmp_path / "a.pth")
    assert (found["family"], found["backbone"]) == ("fastseg", "small")
    assert (found["head_filters"], found["num_classes"]) == (96, 11)
    assert arguments_of(tmp_path / "a.pth", num_classes=4)["num_classes"] == 4


def test_a_backbone_of_a_width_that_nobody_published(tmp_path):
    arguments = {"family": "torchvision", "backbone": "small", "width": 0.5}
    model = LRASPP(21, **arguments, output_stride=16)
    tensors = {
        row.name: np.zeros(row.shape, "float32") for row in reference_tensors(model)
    }
    write_pytorch(tensors, tmp_path / "a.pth")
    found = arguments_of(tmp_path / "a.pth")
    wanted = {**arguments, "output_stride": 16, "pooling": "global", "num_classes": 21}
    assert found == {**wanted, "head_filters": 128}


def test_a_classifier_of_imagenet_fills_the_backbone(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    model = LRASPP(21, family="torchvision")
    tensors = {
        row.name.replace("backbone.", "features."): reference.tensor(
            row.name, row.shape
        )
        for row in reference_tensors(model.backbone)
    }
    tensors["classifier.0.weight"] = np.ones((8, 16), "float32")
    write_pytorch(tensors, tmp_path / "a.pth")
    report = import_weights(model, tmp_path / "a.pth")
    assert report.unused == ("classifier.0.weight",)
    assert {name.split(".")[0] for name in report.missing} == {"classifier"}
    for row in reference_tensors(model.backbone):
        value = row.value({row.name: reference.tensor(row.name, row.shape)})
        np.testing.assert_array_equal(row.variable, value)
    with pytest.raises(InputError, match=r"no layer of classes \(classifier.high_"):
        LRASPP.from_preset(tmp_path / "a.pth")


def test_a_whole_network_fills_a_backbone(small):
    whole, tensors = small["mmseg_small"]
    backbone = MobileNetV3("small", family="mmseg")
    report = fill(backbone, tensors, "file")
    pairs = zip(backbone.get_weights(), whole.backbone.get_weights(), strict=True)
    assert all(np.array_equal(ours, theirs) for ours, theirs in pairs)
    assert all(name.startswith("decode_head.") for name in report.unused)


def test_another_family_is_refused_by_name(tmp_path, small):
    model, _ = small["fastseg_small_f64"]
    tensors = small["mmseg_small"][1]
    with pytest.raises(InputError) as caught:
        fill(model, tensors, "a.pth", strict=False)
    assert str(caught.value).startswith(
        "a.pth holds tensors of a network of family 'mmseg', and this LRASPP is of "
        "'fastseg'; build it with family='mmseg'"
    )
    write_pytorch(tensors, tmp_path / "a.pth")
    with pytest.raises(InputError, match="'mmseg', and os8_global is of 'paddleseg'.*"):
        LRASPP.from_preset(tmp_path / "a.pth", variant="os8_global")


@pytest.mark.backends
def test_other_classes_keep_all_but_the_layers_of_classes(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    theirs = LRASPP(5, family="torchvision", output_stride=16)
    tensors = {
        row.name: reference.tensor(row.name, row.shape)
        for row in reference_tensors(theirs)
    }
    fill(theirs, tensors, "file")
    write_pytorch(tensors, tmp_path / "a.pth")
    theirs.save(tmp_path / "a.keras")
    for name in ("a.pth", "a.keras"):
        model = LRASPP.from_preset(tmp_path / name, num_classes=3)
        different = [
            ours.path.split("/")[-2]
            for ours, value in zip(model.weights, theirs.get_weights(), strict=True)
            if not np.array_equal(ours, value)
        ]
        assert sorted(different) == 2 * ["head_classes_conv"] + 2 * [
            "head_skip_classes_conv"
        ]


@pytest.mark.parametrize(
    ("name", "family", "canonical"),
    [
        ("features.3.block.0.0.weight", "torchvision", "backbone.3.block.0.0.weight"),
        ("layer3.se.conv1.conv.bias", "mmseg", "backbone.layer3.se.conv1.conv.bias"),
        ("conv2.linear_conv.bn.weight", "paddleseg", "backbone.blocks.0.linear_conv"),
        ("trunk.block3.0.bn1.bias", "fastseg", "trunk.block3.0.bn1.bias"),
        ("expanded_conv_3_project/kernel", "tensorflow", "expanded_conv_3_project/"),
        ("fc.weight", None, ""),
        ("layer1.0.conv1.weight", None, ""),  # of a ResNet
        ("features.0.weight", None, ""),  # of a VGG
    ],
)
def test_a_name_tells_the_family(name, family, canonical):
    assert family_of([name, "more"]) == family
    assert family is None or canonical_name(name, family).startswith(canonical)
