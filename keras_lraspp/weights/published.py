"""Variants of LRASPP: the networks that PaddleSeg published, with their mIoU.

A table and nothing else: it needs neither Keras nor a backend.
"""

import os
from pathlib import Path
from typing import NamedTuple

# Who publishes the weights, what they were trained on, and the licence of PaddleSeg.
PUBLISHER = "PaddleSeg"
PUBLISHED_DATASET = "Cityscapes"
PUBLISHED_CLASSES = 19
LICENSE = "Apache-2.0"
MIRROR = "https://paddleseg.bj.bcebos.com/dygraph"


class Published(NamedTuple):
    """A file with weights that somebody publishes."""

    file_name: str  # in the cache
    path: str  # below the mirror's address
    otherwise: str  # how to do without it, for the message if it cannot be had

    @property
    def address(self) -> str:
        """Where it is downloaded from; the variable names another mirror."""
        mirror = os.environ.get("KERAS_LRASPP_MIRROR") or MIRROR
        return f"{mirror.rstrip('/')}/{self.path}"

    @property
    def cached(self) -> Path:
        """Where it is kept: in Keras's folder, `KERAS_HOME` or `~/.keras`."""
        home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
        return home / "keras_lraspp" / self.file_name

    @property
    def pin(self) -> Path:
        """The `.json` beside it, with the digest of the first download."""
        return self.cached.with_name(f"{self.file_name}.json")


class Variant(NamedTuple):
    """A network that PaddleSeg can build, and what it published of it."""

    name: str
    backbone: str
    width: float
    output_stride: int
    pooling: str
    # Trainable ones for 19 classes, as the reference counts: with the 3 x 128 biases
    # before batch norms that our network leaves out.
    parameters: int
    multiply_adds: int  # of the convolutions, for one image of 512x1024, 19 classes
    miou: float | None = None  # published, in percent on Cityscapes val
    flip_miou: float | None = None
    multi_scale_miou: float | None = None  # with several scales and flip
    config: str | None = None  # the published configuration, folder of its weights
    family: str = "paddleseg"
    head_filters: int = 128

    @property
    def preset(self) -> str | None:
        """Name of its published weights, for `from_preset`."""
        return f"{self.name}_cityscapes" if self.config else None

    @property
    def arguments(self) -> dict:
        """Its arguments of `LRASPP`."""
        names = ("backbone", "width", "output_stride", "pooling")
        names += ("head_filters", "family")
        return {name: getattr(self, name) for name in names}

    @property
    def published(self) -> Published | None:
        """Its published weights."""
        if self.config is None:
            return None
        return Published(
            f"{self.config}.pdparams",
            f"cityscapes/{self.config}/model.pdparams",
            "build the network without its weights: load_weights=False",
        )


_CONFIG = "lraspp_mobilenetv3_cityscapes_1024x512_80k"

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
        config=_CONFIG,
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
        config=f"{_CONFIG}_large_kernel",
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
        config=f"{_CONFIG}_os32",
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
)

BACKBONE_WEIGHTS = {
    "imagenet_ssld": Published(
        "mobilenetv3_large_x1_0_ssld.tar.gz",
        "backbone/mobilenetv3_large_x1_0_ssld.tar.gz",
        "train without ImageNet weights: backbone_weights=None",
    )
}


def find_variant(name: str) -> Variant | None:
    """Returns the variant of a name or of the name of its preset."""
    return next((row for row in VARIANTS if name in (row.name, row.preset)), None)
