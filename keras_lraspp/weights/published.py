"""Published LR-ASPP networks and ImageNet backbones: mIoU, size, licence, address.

Tables and nothing else: they need neither Keras nor a backend.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError


class Publisher(NamedTuple):
    """A code base that publishes weights."""

    name: str
    license: str  # of the code base; the data sets have terms of their own
    address: str  # of its files


# By the family of their networks.
PUBLISHERS = {
    "paddleseg": Publisher(
        "PaddleSeg", "Apache-2.0", "https://paddleseg.bj.bcebos.com/dygraph"
    ),
    "torchvision": Publisher(
        "torchvision", "BSD-3-Clause", "https://download.pytorch.org"
    ),
    "fastseg": Publisher("fastseg", "MIT", "https://github.com"),
    "mmseg": Publisher(
        "mmsegmentation", "Apache-2.0", "https://download.openmmlab.com"
    ),
    "tensorflow": Publisher(
        "Keras", "Apache-2.0", "https://storage.googleapis.com/tensorflow"
    ),
}


def cache_folder() -> Path:
    """Returns the folder for what is kept: in Keras's, `KERAS_HOME` or `~/.keras`."""
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    return home / "keras_lraspp"


class Published(NamedTuple):
    """A file with weights that somebody publishes."""

    file_name: str  # in the cache
    path: str  # below the publisher's address, or a mirror's
    otherwise: str  # how to do without it, for the message if it cannot be had
    publisher: str = "paddleseg"  # key of `PUBLISHERS`

    @property
    def address(self) -> str:
        """Where it is downloaded from; the variable names a mirror for all files."""
        mirror = os.environ.get("KERAS_LRASPP_MIRROR")
        base = mirror or PUBLISHERS[self.publisher].address
        return f"{base.rstrip('/')}/{self.path}"

    @property
    def digits(self) -> str:
        """First digits of its SHA-256, which its name has; `""` if it has none."""
        found = re.search(r"-([0-9a-f]{8})\.pth?$", self.path)
        return found[1] if found else ""

    @property
    def cached(self) -> Path:
        """Where it is kept."""
        return cache_folder() / self.file_name

    @property
    def pin(self) -> Path:
        """The `.json` beside it, with the digest of the first download."""
        return self.cached.with_name(f"{self.file_name}.json")


class Variant(NamedTuple):
    """A network that a code base can build, and what it published of it."""

    name: str
    backbone: str
    width: float
    output_stride: int
    pooling: str
    # Trainable ones, as the code base counts: with the biases before batch norms that
    # our network leaves out.
    parameters: int
    multiply_adds: int  # of the convolutions, for one image of 512x1024
    miou: float | None = None  # published, in percent
    flip_miou: float | None = None
    multi_scale_miou: float | None = None  # with several scales and flip
    family: str = "paddleseg"
    head_filters: int = 128
    num_classes: int = 19
    classes: str = "cityscapes"  # key of `CLASS_SETS`
    dataset: str = "Cityscapes"  # trained on; the mIoU is that on its validation set
    short_side: int | None = None  # that its images were resized to, in pixels
    preset: str | None = None  # name of its published weights, for `from_preset`
    published: Published | None = None

    @property
    def arguments(self) -> dict:
        """Its arguments of `LRASPP`."""
        names = ("backbone", "width", "output_stride", "pooling")
        names += ("head_filters", "family")
        return {name: getattr(self, name) for name in names}

    @property
    def publisher(self) -> Publisher:
        """Whose network it is."""
        return PUBLISHERS[self.family]


class BackboneWeights(NamedTuple):
    """A backbone that somebody trained on ImageNet."""

    name: str  # for `LRASPP(backbone_weights=...)`
    backbone: str
    width: float
    family: str
    top1: float | None = None  # published accuracy, in percent on ImageNet val
    published: Published | None = None  # `None`: `keras.applications` downloads it

    @property
    def publisher(self) -> Publisher:
        """Who trained it."""
        return PUBLISHERS[self.family]


_RANDOM_NETWORK = "build the network without its weights: load_weights=False"
_RANDOM_BACKBONE = "train without ImageNet weights: backbone_weights=None"


def _paddleseg(suffix: str) -> Published:
    config = f"lraspp_mobilenetv3_cityscapes_1024x512_80k{suffix}"
    path = f"cityscapes/{config}/model.pdparams"
    return Published(f"{config}.pdparams", path, _RANDOM_NETWORK)


def _pytorch(family: str, path: str, otherwise: str = _RANDOM_NETWORK) -> Published:
    return Published(path.rpartition("/")[2], path, otherwise, family)


def _fastseg(
    backbone: str,
    filters: int,
    digits: str,
    parameters: int,
    multiply_adds: int,
    miou: float,
) -> Variant:
    folder = "ekzhang/fastseg/releases/download/v0.1-weights"
    path = f"{folder}/mobilev3{backbone}-lraspp-f{filters}-{digits}.pt"
    name = f"fastseg_{backbone}_f{filters}"
    return Variant(
        name=name,
        backbone=backbone,
        width=1.0,
        output_stride=8,
        pooling="large_kernel",
        parameters=parameters,
        multiply_adds=multiply_adds,
        miou=miou,
        family="fastseg",
        head_filters=filters,
        preset=name,
        published=_pytorch("fastseg", path),
    )


_MMSEG_SIZES = {
    "large": {"parameters": 3_284_547, "multiply_adds": 17_249_763_200},
    "small": {"parameters": 1_140_787, "multiply_adds": 8_452_341_760},
}


def _mmseg(
    backbone: str, suffix: str, ending: str, miou: float, multi_scale: float
) -> Variant:
    size = {"large": "", "small": "s"}[backbone]
    config = f"lraspp_m-v3{size}-d8{suffix}_512x1024_320k_cityscapes"
    path = f"mmsegmentation/v0.5/mobilenet_v3/{config}/{config}_20201224_{ending}.pth"
    return Variant(
        name=f"mmseg_{backbone}{suffix}",
        backbone=backbone,
        width=1.0,
        output_stride=8,
        pooling="large_kernel",
        **_MMSEG_SIZES[backbone],
        miou=miou,
        multi_scale_miou=multi_scale,
        family="mmseg",
        preset=f"mmseg_{backbone}{suffix}",
        published=_pytorch("mmseg", path),
    )


VARIANTS = (
    Variant(
        name="os8_global",
        backbone="large",
        width=1.0,
        output_stride=8,
        pooling="global",
        parameters=2_924_198,
        multiply_adds=12_258_068_576,
        miou=72.33,
        flip_miou=72.63,
        multi_scale_miou=73.87,
        preset="os8_global_cityscapes",
        published=_paddleseg(""),
    ),
    Variant(
        name="os8_large_kernel",
        backbone="large",
        width=1.0,
        output_stride=8,
        pooling="large_kernel",
        parameters=2_924_198,
        multiply_adds=12_258_130_016,
        miou=73.19,
        flip_miou=73.40,
        multi_scale_miou=74.49,
        preset="os8_large_kernel_cityscapes",
        published=_paddleseg("_large_kernel"),
    ),
    Variant(
        name="os32_global",
        backbone="large",
        width=1.0,
        output_stride=32,
        pooling="global",
        parameters=2_924_198,
        multiply_adds=3_194_734_688,
        miou=70.13,
        flip_miou=70.43,
        multi_scale_miou=72.14,
        preset="os32_global_cityscapes",
        published=_paddleseg("_os32"),
    ),
    Variant("small_os8_global", "small", 1.0, 8, "global", 956_878, 4_601_682_464),
    Variant("small_os32_global", "small", 1.0, 32, "global", 956_878, 1_570_675_232),
    # The other widths of PaddleSeg's backbones, all at output stride 32.
    Variant(
        "large_x0_35_os32_global", "large", 0.35, 32, "global", 454_400, 1_340_306_880
    ),
    Variant(
        "large_x0_5_os32_global", "large", 0.5, 32, "global", 826_214, 1_649_084_576
    ),
    Variant(
        "large_x0_75_os32_global", "large", 0.75, 32, "global", 1_720_368, 2_437_437_120
    ),
    Variant(
        "large_x1_25_os32_global", "large", 1.25, 32, "global", 4_504_228, 4_514_601_408
    ),
    Variant(
        "small_x0_35_os32_global", "small", 0.35, 32, "global", 196_138, 1_092_852_064
    ),
    Variant(
        "small_x0_5_os32_global", "small", 0.5, 32, "global", 317_088, 1_171_960_704
    ),
    Variant(
        "small_x0_75_os32_global", "small", 0.75, 32, "global", 594_682, 1_406_893_728
    ),
    Variant(
        "small_x1_25_os32_global", "small", 1.25, 32, "global", 1_435_490, 1_932_814_240
    ),
    Variant(
        name="torchvision_large_voc",
        backbone="large",
        width=1.0,
        output_stride=16,
        pooling="global",
        parameters=3_221_538,
        multiply_adds=3_947_700_096,
        miou=57.9,
        family="torchvision",
        num_classes=21,
        classes="voc2012",
        dataset="COCO, VOC labels",
        short_side=520,
        preset="torchvision_large_voc",
        published=_pytorch(
            "torchvision", "models/lraspp_mobilenet_v3_large-d234d4ea.pth"
        ),
    ),
    _fastseg("large", 256, "9b613ffd", 3_693_379, 27_836_678_016, 72.3),
    _fastseg("large", 128, "9cbabfde", 3_284_547, 17_249_763_200, 72.3),
    _fastseg("small", 256, "d853f901", 1_451_315, 18_636_406_784, 67.8),
    _fastseg("small", 128, "a39a1e4b", 1_140_787, 8_452_341_760, 67.4),
    _fastseg("small", 64, "114fc23b", 1_022_387, 5_474_238_464, 66.9),
    _mmseg("large", "", "220337-cfe8fb07", 69.54, 70.89),
    _mmseg("large", "_scratch", "220337-9f29cd72", 67.87, 69.78),
    _mmseg("small", "", "223935-61565b34", 64.11, 66.42),
    _mmseg("small", "_scratch", "223935-03daeabb", 62.74, 65.01),
)


def _torchvision(name: str, backbone: str, digits: str, top1: float) -> BackboneWeights:
    path = f"models/mobilenet_v3_{backbone}-{digits}.pth"
    published = _pytorch("torchvision", path, _RANDOM_BACKBONE)
    return BackboneWeights(name, backbone, 1.0, "torchvision", top1, published)


BACKBONE_WEIGHTS = (
    BackboneWeights(
        name="imagenet_ssld",
        backbone="large",
        width=1.0,
        family="paddleseg",
        published=Published(
            "mobilenetv3_large_x1_0_ssld.tar.gz",
            "backbone/mobilenetv3_large_x1_0_ssld.tar.gz",
            _RANDOM_BACKBONE,
        ),
    ),
    BackboneWeights("imagenet", "large", 1.0, "tensorflow", 75.6),
    BackboneWeights("imagenet", "large", 0.75, "tensorflow", 73.3),
    BackboneWeights("imagenet", "small", 1.0, "tensorflow", 68.1),
    BackboneWeights("imagenet", "small", 0.75, "tensorflow", 65.4),
    # As torchvision's own DEFAULT: the second of its recipes where there are two.
    _torchvision("imagenet_torchvision", "large", "5c1a4163", 75.274),
    _torchvision("imagenet_torchvision", "small", "047dcff4", 67.668),
    _torchvision("imagenet_torchvision_v1", "large", "8738ca79", 74.042),
    _torchvision("imagenet_torchvision_v1", "small", "047dcff4", 67.668),
)


def find_variant(name: str) -> Variant | None:
    """Returns the variant of a name or of the name of its preset."""
    return next((row for row in VARIANTS if name in (row.name, row.preset)), None)


def find_backbone(
    name: str, backbone: str, width: float = 1.0
) -> BackboneWeights | None:
    """Returns the ImageNet weights of a name for a backbone.

    Args:
        name: As `LRASPP(backbone_weights=...)` takes it.
        backbone: `"large"` or `"small"`.
        width: Channel multiplier of the backbone.

    Returns:
        The row; `None` if there are no such weights, so that it may be a file.

    Raises:
        InputError: If there are, but for other backbones only.
    """
    rows = [row for row in BACKBONE_WEIGHTS if row.name == name]
    for row in rows:
        if (row.backbone, row.width) == (backbone, width):
            return row
    if rows:
        known = ", ".join(f"{row.backbone} of width {row.width:g}" for row in rows)
        raise InputError(
            f"There are no weights {name} for the {backbone} backbone of width "
            f"{width:g}, but for: {known}."
        )
    return None
