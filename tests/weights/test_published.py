"""The table of published networks: what their publishers' own files say of them."""

import pytest

from keras_lraspp.classes import CLASS_SETS
from keras_lraspp.errors import InputError
from keras_lraspp.weights.published import (
    BACKBONE_WEIGHTS,
    PUBLISHERS,
    VARIANTS,
    find_backbone,
    find_variant,
)

# Preset, mIoU, that with several scales and flip, and the address: of PaddleSeg's page
# on LR-ASPP, torchvision's enumerations of weights, fastseg's `model/base.py` and
# README, and mmsegmentation's `metafile.yaml`.
PRESETS = """
os8_global_cityscapes 72.33 73.87 https://paddleseg.bj.bcebos.com/dygraph/cityscapes/lraspp_mobilenetv3_cityscapes_1024x512_80k/model.pdparams
os8_large_kernel_cityscapes 73.19 74.49 https://paddleseg.bj.bcebos.com/dygraph/cityscapes/lraspp_mobilenetv3_cityscapes_1024x512_80k_large_kernel/model.pdparams
os32_global_cityscapes 70.13 72.14 https://paddleseg.bj.bcebos.com/dygraph/cityscapes/lraspp_mobilenetv3_cityscapes_1024x512_80k_os32/model.pdparams
torchvision_large_voc 57.9 None https://download.pytorch.org/models/lraspp_mobilenet_v3_large-d234d4ea.pth
fastseg_large_f256 72.3 None https://github.com/ekzhang/fastseg/releases/download/v0.1-weights/mobilev3large-lraspp-f256-9b613ffd.pt
fastseg_large_f128 72.3 None https://github.com/ekzhang/fastseg/releases/download/v0.1-weights/mobilev3large-lraspp-f128-9cbabfde.pt
fastseg_small_f256 67.8 None https://github.com/ekzhang/fastseg/releases/download/v0.1-weights/mobilev3small-lraspp-f256-d853f901.pt
fastseg_small_f128 67.4 None https://github.com/ekzhang/fastseg/releases/download/v0.1-weights/mobilev3small-lraspp-f128-a39a1e4b.pt
fastseg_small_f64 66.9 None https://github.com/ekzhang/fastseg/releases/download/v0.1-weights/mobilev3small-lraspp-f64-114fc23b.pt
mmseg_large 69.54 70.89 https://download.openmmlab.com/mmsegmentation/v0.5/mobilenet_v3/lraspp_m-v3-d8_512x1024_320k_cityscapes/lraspp_m-v3-d8_512x1024_320k_cityscapes_20201224_220337-cfe8fb07.pth
mmseg_large_scratch 67.87 69.78 https://download.openmmlab.com/mmsegmentation/v0.5/mobilenet_v3/lraspp_m-v3-d8_scratch_512x1024_320k_cityscapes/lraspp_m-v3-d8_scratch_512x1024_320k_cityscapes_20201224_220337-9f29cd72.pth
mmseg_small 64.11 66.42 https://download.openmmlab.com/mmsegmentation/v0.5/mobilenet_v3/lraspp_m-v3s-d8_512x1024_320k_cityscapes/lraspp_m-v3s-d8_512x1024_320k_cityscapes_20201224_223935-61565b34.pth
mmseg_small_scratch 62.74 65.01 https://download.openmmlab.com/mmsegmentation/v0.5/mobilenet_v3/lraspp_m-v3s-d8_scratch_512x1024_320k_cityscapes/lraspp_m-v3s-d8_scratch_512x1024_320k_cityscapes_20201224_223935-03daeabb.pth
"""  # noqa: E501


@pytest.fixture(autouse=True)
def no_mirror(monkeypatch):
    monkeypatch.delenv("KERAS_LRASPP_MIRROR", raising=False)


def test_what_was_published():
    rows = [
        f"{row.preset} {row.miou} {row.multi_scale_miou} {row.published.address}"
        for row in VARIANTS
        if row.preset
    ]
    assert rows == PRESETS.split("\n")[1:-1]
    assert all(row.miou is None for row in VARIANTS if not row.preset)


def test_digits_of_sha256_are_those_of_the_names():
    presets = [row.published for row in VARIANTS if row.preset]
    backbones = [row.published for row in BACKBONE_WEIGHTS if row.published]
    for file in (*presets, *backbones):
        if file.publisher == "paddleseg":
            assert file.digits == ""
        else:
            ending = file.address.rpartition("-")[2]
            assert f"{file.digits}.{ending.partition('.')[2]}" == ending
            assert len(file.digits) == 8
            assert file.file_name == file.address.rpartition("/")[2]


def test_licences_and_names_of_classes():
    assert {publisher.name: publisher.license for publisher in PUBLISHERS.values()} == {
        "PaddleSeg": "Apache-2.0",
        "torchvision": "BSD-3-Clause",
        "fastseg": "MIT",
        "mmsegmentation": "Apache-2.0",
        "Keras": "Apache-2.0",
    }
    for row in VARIANTS:
        assert len(CLASS_SETS[row.classes].names) == row.num_classes
    assert find_variant("torchvision_large_voc").classes == "voc2012"


def test_a_mirror_has_the_files_of_all_publishers(monkeypatch):
    monkeypatch.setenv("KERAS_LRASPP_MIRROR", "https://mirror.example/weights/")
    paths = {
        "os32_global_cityscapes": "cityscapes/lraspp_mobilenetv3_cityscapes_1024x512_"
        "80k_os32/model.pdparams",
        "torchvision_large_voc": "models/lraspp_mobilenet_v3_large-d234d4ea.pth",
        "fastseg_small_f64": "ekzhang/fastseg/releases/download/v0.1-weights/"
        "mobilev3small-lraspp-f64-114fc23b.pt",
    }
    for name, path in paths.items():
        address = find_variant(name).published.address
        assert address == f"https://mirror.example/weights/{path}"
    addresses = [row.published.address for row in VARIANTS if row.preset]
    assert len({*addresses}) == len(addresses)


# Accuracy on ImageNet, of the documentation of `keras.applications` and of
# torchvision's enumerations; SSLD's is not in PaddleSeg's.
BACKBONES = [
    ("imagenet", "large", 1.0, 75.6, None),
    ("imagenet", "large", 0.75, 73.3, None),
    ("imagenet", "small", 1.0, 68.1, None),
    ("imagenet", "small", 0.75, 65.4, None),
    ("imagenet_torchvision", "large", 1.0, 75.274, "large-5c1a4163.pth"),
    ("imagenet_torchvision", "small", 1.0, 67.668, "small-047dcff4.pth"),
    ("imagenet_torchvision_v1", "large", 1.0, 74.042, "large-8738ca79.pth"),
    ("imagenet_torchvision_v1", "small", 1.0, 67.668, "small-047dcff4.pth"),
    ("imagenet_ssld", "large", 1.0, None, None),
]


@pytest.mark.parametrize(("name", "backbone", "width", "top1", "file"), BACKBONES)
def test_imagenet_backbones(name, backbone, width, top1, file):
    row = find_backbone(name, backbone, width)
    assert row.top1 == top1
    if file is not None:
        folder = "https://download.pytorch.org/models"
        assert row.published.address == f"{folder}/mobilenet_v3_{file}"
    assert len(BACKBONES) == len(BACKBONE_WEIGHTS)


def test_backbones_that_there_are_not():
    assert find_backbone("weights/mine.pth", "large") is None
    with pytest.raises(InputError) as caught:
        find_backbone("imagenet", "small", 0.35)
    assert str(caught.value) == (
        "There are no weights imagenet for the small backbone of width 0.35, but for: "
        "large of width 1, large of width 0.75, small of width 1, small of width 0.75."
    )
