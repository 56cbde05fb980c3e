"""Networks by name or file: downloaded, imported, and changed for other classes."""

import tarfile

import numpy as np
import pytest

from harness import reference
from harness.paddle import (
    BACKBONE,
    CITYSCAPES,
    backbone_tensors,
    serving,
    write_pdparams,
)
from keras_lraspp import LRASPP, MobileNetV3, import_weights
from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.models.tensor_names import reference_tensors
from keras_lraspp.weights import write_pytorch
from keras_lraspp.weights.published import find_variant

SMALLEST = {"backbone": "small", "width": 0.35, "output_stride": 32}
VARIANT = "small_x0_35_os32_global"


@pytest.fixture(scope="module")
def www(tmp_path_factory):
    """What is published: the rule's weights under the reference's names."""
    folder = tmp_path_factory.mktemp("www")
    for name, suffix in (("os8_global", ""), ("os32_global", "_os32")):
        path = folder / f"{CITYSCAPES}{suffix}" / "model.pdparams"
        write_pdparams(path, reference.state_dict(name))
    content = write_pdparams(
        folder / "model.pdparams", backbone_tensors("os32_global"), protocol=2
    )
    (folder / BACKBONE).parent.mkdir()
    with tarfile.open(folder / BACKBONE, "w:gz") as archive:
        archive.add(content, "mobilenetv3_large_x1_0_ssld/model.pdparams")
    return folder


@pytest.fixture
def server(www, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving(www) as server:
        monkeypatch.setenv("KERAS_LRASPP_MIRROR", server.address)
        yield server


@pytest.fixture
def no_network(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_LRASPP_MIRROR", "http://127.0.0.1:1")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "empty"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "model.pdparams"
    return write_pdparams(path, reference.state_dict(VARIANT))


@pytest.fixture(scope="module")
def wanted():
    """A model with the checkpoint's weights."""
    return reference.model(VARIANT)


def rest(model):
    """All weights but those of the layer of classes."""
    kernel = model.get_layer("head_classes_conv").kernel
    return [np.array(weight) for weight in model.weights if weight is not kernel]


def same(ours, theirs):
    return all(np.array_equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize(
    ("preset", "variant"),
    [
        ("os8_global_cityscapes", "os8_global"),
        ("os32_global_cityscapes", "os32_global"),
    ],
)
def test_a_published_preset_predicts_the_labels_of_the_reference(
    server, preset, variant
):
    wanted = reference.expected("reference_forward.npz", variant)
    height, width = wanted["size"]
    model = LRASPP.from_preset(preset)
    labels = model.predict_on_batch(reference.image(height, width)).argmax(-1)
    step = -(-height // wanted["argmax"].shape[1])
    assert (labels[:, ::step, ::step] == wanted["argmax"]).mean() >= 0.9995
    LRASPP.from_preset(preset)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("preset", "peer", "prefix", "beside"),
    [
        ("torchvision_large_voc", "torchvision_large", "", None),
        ("fastseg_small_f64", "fastseg_small_f64", "module.", {"num_classes": 19}),
        pytest.param(
            *("mmseg_small_scratch", "mmseg_small", "", {"meta": {"iter": 320_000}}),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_preset_of_another_code_base_predicts_its_labels(
    server, www, monkeypatch, preset, peer, prefix, beside
):
    """From a file that is wrapped as that code base does it."""
    row, tensors = find_variant(preset), reference.state_dict(peer)
    path = www / row.published.path
    path.parent.mkdir(parents=True)
    wrapped = {f"{prefix}{name}": value for name, value in tensors.items()}
    write_pytorch(wrapped, path, beside)
    monkeypatch.setattr(type(row.published), "digits", "")  # those of the real file
    model = LRASPP.from_preset(preset)
    assert server.requests == [f"/{row.published.path}"]
    assert model.classes == CLASS_SETS[row.classes]
    wanted = reference.expected("reference_forward.npz", peer)
    height, width = wanted["size"]
    labels = model.predict_on_batch(reference.image(height, width)).argmax(-1)
    step = -(-height // wanted["argmax"].shape[1])
    assert (labels[:, ::step, ::step] == wanted["argmax"]).mean() >= 0.9995


def test_a_preset_that_is_not_what_was_published_is_not_kept(server, www, tmp_path):
    path = www / f"{CITYSCAPES}_large_kernel" / "model.pdparams"
    write_pdparams(path, reference.state_dict("small_os8_global"))
    with pytest.raises(InputError, match=r"large_kernel/model.pdparams did not give"):
        LRASPP.from_preset("os8_large_kernel_cityscapes")
    assert list((tmp_path / "keras_lraspp").iterdir()) == []


def test_the_published_backbone(server):
    model = LRASPP(num_classes=3, backbone_weights="imagenet_ssld")
    tensors = reference.state_dict("os32_global")
    rows = reference_tensors(model.backbone)
    wanted = [row.value(tensors) for row in rows]
    assert same([row.variable for row in reference_tensors(model.backbone)], wanted)
    assert server.requests == [f"/{BACKBONE}"]
    # Nothing of it in what is saved: another machine need not download it.
    assert "backbone_weights" not in model.get_config()
    backbone = MobileNetV3("large", output_stride=16)
    report = import_weights(backbone, "imagenet_ssld")
    assert same([row.variable for row in reference_tensors(backbone)], wanted)
    assert report.unused == ("last_conv.weight", "fc.weight", "fc.bias")
    assert len(server.requests) == 1
    with pytest.raises(InputError, match="no weights imagenet_ssld for the small"):
        LRASPP(backbone_weights="imagenet_ssld", **SMALLEST)


def test_without_a_network(no_network):
    with pytest.raises(StorageError) as caught:
        LRASPP.from_preset("os8_global_cityscapes")
    message = str(caught.value)
    assert f"{CITYSCAPES}/model.pdparams" in message
    assert "lraspp_mobilenetv3_cityscapes_1024x512_80k.pdparams" in message
    assert "load_weights=False" in message
    with pytest.raises(StorageError, match="ssld.tar.gz.*backbone_weights=None"):
        LRASPP(backbone_weights="imagenet_ssld")


ROWS = [
    find_variant(name)
    for name in ("os32_global", "small_os8_global", "small_os32_global")
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_architecture_alone_needs_no_network(no_network, row):
    model = LRASPP.from_preset(row.name, load_weights=False, num_classes=4)
    config = model.get_config()
    assert {key: config[key] for key in row.arguments} == row.arguments
    assert config["num_classes"] == 4
    if row.preset is None:
        with pytest.raises(InputError, match="no published weights"):
            LRASPP.from_preset(row.name)


@pytest.mark.backends
def test_a_checkpoint_whose_variant_is_seen(checkpoint, wanted):
    model = LRASPP.from_preset(checkpoint, input_shape=(64, 96, 3))
    assert model.input_shape == (None, 64, 96, 3)
    assert same(model.get_weights(), wanted.get_weights())
    as_text = LRASPP.from_preset(str(checkpoint.parent), load_weights=False)
    assert as_text.get_config()["width"] == 0.35


def test_a_checkpoint_of_several_variants_asks_which(www):
    path = www / f"{CITYSCAPES}_os32" / "model.pdparams"
    with pytest.raises(InputError, match="os8_global.*os8_large_kernel.*os32_global"):
        LRASPP.from_preset(path)
    model = LRASPP.from_preset(path, variant="os32_global")
    assert model.get_config()["output_stride"] == 32
    with pytest.raises(InputError, match="no variant os64"):
        LRASPP.from_preset(path, variant="os64")
    with pytest.raises(InputError, match="tensors that differ"):
        LRASPP.from_preset(path, variant="large_x0_5_os32_global")


def test_a_checkpoint_of_no_variant(tmp_path, wanted):
    path = write_pdparams(tmp_path / "a.pdparams", {"a": np.ones(3, "float32")})
    with pytest.raises(
        InputError, match="fits no variant: its tensors, a, are named as in"
    ):
        LRASPP.from_preset(path)
    path = write_pdparams(tmp_path / "b.pdparams", backbone_tensors(VARIANT))
    with pytest.raises(InputError, match="no layer of classes.*import_weights"):
        LRASPP.from_preset(path)
    model = LRASPP.from_preset(path, num_classes=3)
    assert same(model.backbone.get_weights(), wanted.backbone.get_weights())


@pytest.mark.backends
@pytest.mark.parametrize("kind", ["pdparams", "keras"])
def test_other_classes_keep_all_but_the_last_layer(checkpoint, wanted, tmp_path, kind):
    path = checkpoint
    if kind == "keras":
        path = tmp_path / "model.keras"
        wanted.save(path)
    model = LRASPP.from_preset(path, num_classes=4)
    assert model.output_shape == (None, None, None, 4)
    assert same(rest(model), rest(wanted))
    kernel = np.array(model.get_layer("head_classes_conv").kernel)
    assert kernel.shape == (1, 1, 128, 4)
    assert kernel.std() == pytest.approx(np.sqrt(2 / 128), rel=0.15)


@pytest.mark.backends
def test_a_keras_file_comes_back(tmp_path):
    model = LRASPP(6, "small", 0.35, 16, head_filters=64, input_shape=(64, 64, 3))
    model.save(tmp_path / "model.keras")
    again = LRASPP.from_preset(tmp_path / "model.keras", name="again")
    assert same(again.get_weights(), model.get_weights())
    assert again.name == "again"
    assert again.input_shape == (None, None, None, 3)
    drawn = LRASPP.from_preset(tmp_path / "model.keras", load_weights=False)
    assert not same(drawn.get_weights(), model.get_weights())


def test_other_files_and_names(tmp_path):
    with pytest.raises(InputError, match="os8_global_cityscapes.*small_os8_global"):
        LRASPP.from_preset("os8_globl_cityscapes")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="model.onnx is no preset"):
        LRASPP.from_preset(tmp_path / "model.onnx")
    content = bytearray(b"PK" + bytes(100))
    (tmp_path / "model.keras").write_bytes(content)
    with pytest.raises(InputError, match="model.keras is damaged"):
        LRASPP.from_preset(tmp_path / "model.keras")


@pytest.mark.parametrize("shape", [(), (0, 128, 1, 1)])
@pytest.mark.parametrize("given", [{}, {"variant": VARIANT, "num_classes": 19}])
def test_a_layer_of_no_classes_is_refused(tmp_path, shape, given):
    tensors = reference.state_dict(VARIANT)
    tensors["lraspp_head.conv_out.weight"] = np.ones(shape, "float32")
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    with pytest.raises(InputError, match=r"lraspp_head\.conv_out\.weight"):
        LRASPP.from_preset(path, **given)


def test_a_name_with_a_long_number_is_a_name_like_others(tmp_path):
    name = f"conv{'9' * 5000}.weight"  # Python refuses to make it a number
    tensors = {**reference.state_dict(VARIANT), name: np.ones(1, "float32")}
    path = write_pdparams(tmp_path / "model.pdparams", tensors)
    with pytest.raises(InputError, match="it also has conv999"):
        LRASPP.from_preset(path)
