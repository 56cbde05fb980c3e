"""The reference's tensors into our models: all of them, or an account of why not."""

import re

import numpy as np
import pytest

import keras_lraspp
from harness import reference
from harness.paddle import backbone_tensors, write_pdparams
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.errors import InputError
from keras_lraspp.models.importing import fill
from keras_lraspp.models.tensor_names import canonical_name, reference_tensors

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}
VARIANT = "small_x0_35_os32_global"


@pytest.fixture(scope="module")
def tensors():
    return reference.state_dict(VARIANT)


@pytest.fixture(scope="module")
def filled():
    """The model that the rule's weights make, filled tensor by tensor."""
    return [np.array(value) for value in reference.model(VARIANT).get_weights()]


def equal(model, values):
    pairs = zip(model.get_weights(), values, strict=True)
    return [np.array_equal(ours, theirs) for ours, theirs in pairs]


@pytest.mark.backends
def test_a_whole_network(tmp_path, tensors, filled):
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    model = LRASPP(**SMALLEST)
    report = import_weights(model, path)
    assert set(report.loaded) == set(tensors)
    assert report.unused == report.missing == report.mismatched == ()
    assert all(equal(model, filled))
    assert str(report) == f"{len(tensors)} tensors loaded"


def test_the_logits_are_those_of_the_reference(tmp_path):
    wanted = reference.expected("reference_forward.npz", VARIANT)
    height, width = wanted["size"]
    path = write_pdparams(tmp_path / "model.pdparams", reference.state_dict(VARIANT))
    model = LRASPP(**SMALLEST)
    import_weights(model, path)
    logits = model.predict_on_batch(reference.image(height, width))
    step = int(wanted["stride"])
    error = np.linalg.norm(logits[:, ::step, ::step] - wanted["logits"])
    assert error < 1e-4 * np.linalg.norm(wanted["logits"])


def old_name(name):
    """How PaddleSeg once named the stem and the blocks."""
    name = re.sub(r"^conv\.", "conv1.", name)
    return re.sub(r"^blocks\.(\d+)", lambda found: f"conv{int(found[1]) + 2}", name)


@pytest.mark.parametrize("rename", [str, old_name, lambda name: f"backbone.{name}"])
@pytest.mark.parametrize("kind", [LRASPP, MobileNetV3])
def test_a_file_of_a_backbone(tmp_path, filled, rename, kind):
    tensors = {rename(name): value for name, value in backbone_tensors(VARIANT).items()}
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    model = LRASPP(**SMALLEST) if kind is LRASPP else MobileNetV3("small", 0.35)
    before = [np.array(value) for value in model.get_weights()]
    report = import_weights(model, path)
    backbone = len(model.backbone.weights) if kind is LRASPP else len(before)
    assert len(report.loaded) == backbone == len(tensors) - 3
    assert [name.split(".")[-2] for name in report.unused] == ["last_conv", "fc", "fc"]
    assert all(equal(model, filled[:backbone] + before[backbone:]))
    heads = {
        name for name in reference.names(VARIANT) if name.startswith("lraspp_head.")
    }
    assert set(report.missing) == (heads if kind is LRASPP else set())
    assert "3 in the file, not used by the model: " in str(report)
    assert ("of the model, not in the file" in str(report)) == (kind is LRASPP)


def test_a_whole_network_fills_a_backbone(tensors, filled):
    backbone = MobileNetV3("small", 0.35)
    report = fill(backbone, tensors, "file")
    assert all(equal(backbone, filled[: len(backbone.weights)]))
    assert all(name.startswith("lraspp_head.") for name in report.unused)
    assert len(report.unused) + len(report.loaded) == len(tensors)


def test_another_class_count_names_the_tensor(tensors):
    model = LRASPP(num_classes=7, **SMALLEST)
    before = [np.array(value) for value in model.get_weights()]
    with pytest.raises(InputError) as caught:
        fill(model, tensors, "model.pdparams")
    message = str(caught.value)
    assert message.startswith("model.pdparams does not hold the weights of this LRASPP")
    assert (
        "lraspp_head.conv_out.weight (19, 128, 1, 1) in the file, (7, 128, 1, 1) here"
        in message
    )
    assert all(equal(model, before))  # nothing was loaded
    report = fill(model, tensors, "model.pdparams", strict=False)
    assert len(report.loaded) == len(tensors) - 1
    assert len(report.mismatched) == 1
    assert sum(equal(model, before)) == 1  # the layer of classes


def test_another_variant_names_tensors(tensors):
    with pytest.raises(InputError) as caught:
        fill(LRASPP(backbone="large", width=0.35), tensors, "f")
    message = str(caught.value)
    assert "tensors that differ: backbone.blocks.2." in message
    assert "it lacks backbone.blocks." in message
    assert re.search(r"it also has backbone.blocks.0.mid_se.* and \d+ more", message)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda t: t.pop("lraspp_head.conv_v._conv.bias"), "lacks lraspp_head.conv_v"),
        (lambda t: t.pop("backbone.conv.bn._mean"), "lacks backbone.conv.bn._mean"),
        (lambda t: t.update(more=np.ones(3)), "also has more"),
        (lambda t: t.update({"conv.bn._mean": np.ones(8)}), "several tensors for one"),
        (lambda t: t.update({"conv0.a": np.ones(8)}), "also has backbone.blocks.-2.a"),
    ],
)
def test_every_tensor_is_accounted_for(tensors, change, says):
    changed = dict(tensors)
    change(changed)
    with pytest.raises(InputError, match=says):
        fill(LRASPP(**SMALLEST), changed, "model.pdparams")


def test_a_backbone_with_more_blocks_is_refused():
    tensors = backbone_tensors(VARIANT)
    tensors["blocks.11.linear_conv.bn.weight"] = np.ones(96)
    with pytest.raises(InputError, match="also has backbone.blocks.11"):
        fill(MobileNetV3("small", 0.35), tensors, "f")


def test_a_missing_bias_counts_as_zero_without_strict(tensors):
    bias = "lraspp_head.conv_v._conv.bias"
    model = LRASPP(**SMALLEST)
    rest = {name: value for name, value in tensors.items() if name != bias}
    report = fill(model, rest, "f", strict=False)
    assert report.missing == (bias,)
    mean = model.get_layer("head_value_bn").moving_mean
    np.testing.assert_array_equal(mean, tensors["lraspp_head.conv_v._batch_norm._mean"])


@pytest.mark.parametrize("variant", ["os8_global", "large_x0_5_os32_global", VARIANT])
def test_names_and_shapes_are_the_reference(variant):
    model = LRASPP(**reference.VARIANTS[variant])
    shapes = {row.name: list(row.shape) for row in reference_tensors(model)}
    shapes |= {
        row.minus: list(row.shape) for row in reference_tensors(model) if row.minus
    }
    assert shapes == reference.names(variant)
    assert all(canonical_name(name, "paddleseg") == name for name in shapes)


def test_the_name_is_public():
    assert keras_lraspp.import_weights is import_weights


def test_negative_variances_are_refused(tensors, filled):
    name = next(name for name in tensors if name.endswith("._variance"))
    model = LRASPP(**SMALLEST)
    with pytest.raises(InputError, match=f"f has negative variances in {name}"):
        fill(model, {**tensors, name: -tensors[name]}, "f")
    assert not all(equal(model, filled))
