"""Variants of LRASPP: the networks that PaddleSeg published, with their mIoU."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras

from keras_lraspp.models.mobilenet_v3 import (
    BACKBONES,
    Block,
    scale_channels,
    scale_width,
)
from keras_lraspp.weights.download import Published


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

    @property
    def preset(self) -> str | None:
        """Name of its published weights, for `from_preset`."""
        return f"{self.name}_cityscapes" if self.config else None

    @property
    def arguments(self) -> dict:
        """Its arguments of `LRASPP`."""
        names = ("backbone", "width", "output_stride", "pooling")
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

# Filters of the head's 1x1 convolutions on the two skip connections, deepest first.
SKIP_FILTERS = (64, 32)

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


def variant_of(model: keras.Model) -> Variant | None:
    """Returns the variant that an `LRASPP` is, whatever its number of classes."""
    config = model.get_config()
    if config.get("head_filters") != 128:
        return None
    for variant in VARIANTS:
        if all(config[key] == value for key, value in variant.arguments.items()):
            return variant
    return None


def weight_shapes(arguments: Mapping[str, object]) -> dict[str, tuple[int, ...]]:
    """Computes the shapes of an `LRASPP`'s weights without building it.

    Args:
        arguments: Those of `LRASPP` that its shapes depend on: `num_classes`,
            `backbone`, `width`, `head_filters` and `input_shape`, in range. Others may
            be there.

    Returns:
        Shapes by the variables' paths, as `{"stem_conv/kernel": (3, 3, 3, 16), ...}`.
    """
    table = scale_width(BACKBONES[arguments["backbone"]], arguments["width"])
    channels = scale_channels(16, arguments["width"])
    kernel = (3, 3, arguments["input_shape"][-1], channels)
    rows = [*_conv_bn_shapes("stem", kernel, channels)]
    for index, block in enumerate(table.blocks):
        rows += _block_shapes(f"block_{index}", channels, block)
        channels = block.filters
    taps = [table.blocks[tap].filters for tap in table.taps]
    rows += _head_shapes(taps, arguments["head_filters"], arguments["num_classes"])
    return dict(rows)


_Shapes = Iterator[tuple[str, tuple[int, ...]]]


def _block_shapes(name: str, channels: int, block: Block) -> _Shapes:
    wide, size = block.expanded, block.kernel_size
    yield from _conv_bn_shapes(f"{name}_expand", (1, 1, channels, wide), wide)
    yield from _conv_bn_shapes(f"{name}_depthwise", (size, size, wide, 1), wide)
    if block.squeeze_excite:
        for part, inputs, outputs in (
            ("squeeze", wide, wide // 4),
            ("expand", wide // 4, wide),
        ):
            yield f"{name}_se_{part}/kernel", (1, 1, inputs, outputs)
            yield f"{name}_se_{part}/bias", (outputs,)
    shape = (1, 1, wide, block.filters)
    yield from _conv_bn_shapes(f"{name}_project", shape, block.filters)


def _head_shapes(taps: list[int], filters: int, num_classes: int) -> _Shapes:
    finest, middle, _, deepest = taps
    yield from _conv_bn_shapes("head_value", (1, 1, deepest, filters), filters)
    yield "head_gate_conv/kernel", (1, 1, deepest, filters)
    yield "head_mix_conv/kernel", (1, 1, filters, filters)
    for tap, skip, stride in zip((middle, finest), SKIP_FILTERS, (8, 4), strict=True):
        yield f"head_skip_{stride}_conv/kernel", (1, 1, tap, skip)
        shape = (1, 1, filters + skip, filters)
        yield from _conv_bn_shapes(f"head_fuse_{stride}", shape, filters)
    yield "head_classes_conv/kernel", (1, 1, filters, num_classes)


def _conv_bn_shapes(name: str, kernel: tuple[int, ...], channels: int) -> _Shapes:
    yield f"{name}_conv/kernel", kernel
    for vector in ("gamma", "beta", "moving_mean", "moving_variance"):
        yield f"{name}_bn/{vector}", (channels,)
