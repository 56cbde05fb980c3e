"""MobileNetV3, a segmentation backbone: block tables, blocks and model."""

from typing import Annotated, Literal, NamedTuple

import keras

from keras_lraspp.arguments import register_class
from keras_lraspp.devices import policy_scope
from keras_lraspp.layers import BatchNorm, HardGate, HardSwish, ScaleChannels
from keras_lraspp.models.graph_model import (
    GraphModel,
    Settings,
    check_channels_last,
    resolve_policy,
)
from keras_lraspp.schema import Bounds, Channels, Count, check_call


class Block(NamedTuple):
    """One inverted residual block at width 1.0."""

    kernel_size: int
    expanded: int  # channels after the 1x1 expansion
    filters: int  # channels out
    squeeze_excite: bool
    hard_swish: bool  # hard-swish, else ReLU
    strides: int


class Backbone(NamedTuple):
    """A stack of blocks and the indices of its taps, the blocks that are outputs."""

    blocks: tuple[Block, ...]
    taps: tuple[int, ...]  # the last block at strides 4, 8, 16 and 32


LARGE = Backbone(
    blocks=(
        Block(3, 16, 16, False, False, 1),
        Block(3, 64, 24, False, False, 2),
        Block(3, 72, 24, False, False, 1),
        Block(5, 72, 40, True, False, 2),
        Block(5, 120, 40, True, False, 1),
        Block(5, 120, 40, True, False, 1),
        Block(3, 240, 80, False, True, 2),
        Block(3, 200, 80, False, True, 1),
        Block(3, 184, 80, False, True, 1),
        Block(3, 184, 80, False, True, 1),
        Block(3, 480, 112, True, True, 1),
        Block(3, 672, 112, True, True, 1),
        Block(5, 672, 160, True, True, 2),
        Block(5, 960, 160, True, True, 1),
        Block(5, 960, 160, True, True, 1),
    ),
    taps=(2, 5, 11, 14),
)

SMALL = Backbone(
    blocks=(
        Block(3, 16, 16, True, False, 2),
        Block(3, 72, 24, False, False, 2),
        Block(3, 88, 24, False, False, 1),
        Block(5, 96, 40, True, True, 2),
        Block(5, 240, 40, True, True, 1),
        Block(5, 240, 40, True, True, 1),
        Block(5, 120, 48, True, True, 1),
        Block(5, 144, 48, True, True, 1),
        Block(5, 288, 96, True, True, 2),
        Block(5, 576, 96, True, True, 1),
        Block(5, 576, 96, True, True, 1),
    ),
    taps=(0, 2, 7, 10),
)

BACKBONES = {"large": LARGE, "small": SMALL}


def scale_channels(channels: int, width: float) -> int:
    """Scales channels to the nearest multiple of 8, at least 0.9 of the exact value."""
    value = channels * width
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def scale_width(backbone: Backbone, width: float) -> Backbone:
    """Returns the backbone with all channels scaled by `width`."""
    blocks = tuple(
        block._replace(
            expanded=scale_channels(block.expanded, width),
            filters=scale_channels(block.filters, width),
        )
        for block in backbone.blocks
    )
    return backbone._replace(blocks=blocks)


def strides_and_dilations(
    backbone: Backbone, output_stride: int
) -> list[tuple[int, int]]:
    """Returns (strides, dilation) of each block for an output stride of 8, 16 or 32.

    A block that would pass `output_stride` keeps its resolution and its own
    dilation; the blocks after it are dilated by the stride that was left out.
    """
    layout, stride, dilation = [], 2, 1  # the stem has stride 2
    for block in backbone.blocks:
        if stride * block.strides <= output_stride:
            layout.append((block.strides, dilation))
            stride *= block.strides
        else:
            layout.append((1, dilation))
            dilation *= block.strides
    return layout


def conv(x, filters, name, *, kernel_size=1, strides=1, use_bias=False):
    """Convolves with symmetric padding: ceil(side / strides) cells a side.

    Weights are drawn from N(0, sqrt(2 / (k k C_in))), untruncated; biases are 0.
    """
    x, padding = _pad(x, kernel_size, strides, name)
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=_he_normal(),
        data_format="channels_last",
        name=name,
    )(x)


def _depthwise_conv(x, name, *, kernel_size, strides, dilation):
    """Convolves each channel by itself; initial weights as of `conv`.

    Their deviation counts all C input channels, as the reference does: the fan-in is
    not divided by the number of groups.
    """
    x, padding = _pad(x, kernel_size, strides, name)
    return keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        use_bias=False,
        depthwise_initializer=_he_normal(),
        data_format="channels_last",
        name=name,
    )(x)


def _he_normal():
    """N(0, sqrt(2 / fan_in)), not truncated: the reference's initial weights."""
    return keras.initializers.VarianceScaling(
        scale=2.0, mode="fan_in", distribution="untruncated_normal"
    )


def _pad(x, kernel_size, strides, name):
    """Pads by k // 2 on each side where "same" would not do so (stride 2)."""
    if strides == 1 or kernel_size == 1:
        return x, "same"
    layer = keras.layers.ZeroPadding2D(
        kernel_size // 2, data_format="channels_last", name=f"{name}_pad"
    )
    return layer(x), "valid"


def _squeeze_excite(x, name):
    """Scales channels by a gate computed from their means.

    Squeezes to `channels // 4`, not rounded to a multiple of 8, unlike the paper's
    code.
    """
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(
        keepdims=True, data_format="channels_last", name=f"{name}_pool"
    )(x)
    gate = conv(gate, channels // 4, f"{name}_squeeze", use_bias=True)
    gate = keras.layers.ReLU(name=f"{name}_relu")(gate)
    gate = conv(gate, channels, f"{name}_expand", use_bias=True)
    gate = HardGate(name=f"{name}_gate")(gate)
    return ScaleChannels(name=f"{name}_scale")([x, gate])


def _inverted_residual(x, block: Block, name, *, strides, dilation):
    """One MobileNetV3 block: expand, depthwise, squeeze-excite, project.

    Source: Searching for MobileNetV3, section 5 and tables 1 and 2. The 1x1
    expansion is always there, also where it does not widen.
    """
    activation = HardSwish if block.hard_swish else keras.layers.ReLU
    shortcut = x
    x = conv(x, block.expanded, f"{name}_expand_conv")
    x = BatchNorm(name=f"{name}_expand_bn")(x)
    x = activation(name=f"{name}_expand_activation")(x)
    x = _depthwise_conv(
        x,
        f"{name}_depthwise_conv",
        kernel_size=block.kernel_size,
        strides=strides,
        dilation=dilation,
    )
    x = BatchNorm(name=f"{name}_depthwise_bn")(x)
    x = activation(name=f"{name}_depthwise_activation")(x)
    if block.squeeze_excite:
        x = _squeeze_excite(x, f"{name}_se")
    x = conv(x, block.filters, f"{name}_project_conv")
    x = BatchNorm(name=f"{name}_project_bn")(x)
    if block.strides == 1 and shortcut.shape[-1] == block.filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _connect(pixels, table: Backbone, width: float, output_stride: int):
    """Returns the taps of a network over `pixels`, and the strides of the taps."""
    # In float32 also under mixed precision: half floats cannot tell
    # neighbouring dark pixels apart.
    x = keras.layers.Rescaling(
        1 / 127.5, offset=-1.0, dtype="float32", name="rescaling"
    )(pixels)
    x = conv(x, scale_channels(16, width), "stem_conv", kernel_size=3, strides=2)
    x = BatchNorm(name="stem_bn")(x)
    x = HardSwish(name="stem_activation")(x)
    outputs, tap_strides, stride = [], [], 2
    layout = strides_and_dilations(table, output_stride)
    for index, (block, (strides, dilation)) in enumerate(
        zip(table.blocks, layout, strict=True)
    ):
        x = _inverted_residual(
            x, block, f"block_{index}", strides=strides, dilation=dilation
        )
        stride *= strides
        if index in table.taps:
            outputs.append(x)
            tap_strides.append(stride)
    return outputs, tuple(tap_strides)


@register_class
class MobileNetV3(GraphModel):
    """MobileNetV3 large or small, from pixels to four feature maps.

    The network of PaddleSeg's `MobileNetV3_{large,small}_x*`: no final 960-channel
    convolution, no classifier. Rescaling of pixels is its first layer.

    Args:
        variant: `"large"` or `"small"`.
        width: Channel multiplier; published ones are 0.35, 0.5, 0.75, 1.0, 1.25.
        output_stride: 8, 16 or 32. Below 32 the last stages keep their
            resolution and are dilated instead.
        input_shape: (height, width, channels); `None` sides take any size.
        name: Name of the model.
        trainable: Whether its weights are trained.
        dtype: Its dtype policy: a name such as `"mixed_bfloat16"`, a policy, or `None`
            for the global one.
        layer_settings: What is different in single layers, by their names, as
            `{"stem_conv": {"trainable": False}}`. A saved model notes what was set.

    Attributes:
        tap_strides: Stride of each output, e.g. (4, 8, 8, 8) at output stride 8.
        tap_channels: Channels of each output.

    Call arguments:
        inputs: Pixels 0..255, RGB by default, uint8 or float, (B, H, W, channels).

    Returns (of a call):
        List of four tensors (B, ceil(H / s), ceil(W / s), channels) in compute
        dtype, s in `tap_strides`.

    Raises:
        InputError: For arguments of another type or out of range; it is a `ValueError`.
        TypeError: For arguments that there are not.

    Example:
        ```python
        backbone = keras_lraspp.MobileNetV3("large", output_stride=16)
        taps = backbone(images)  # at strides 4, 8, 16 and 16
        ```

    Reference:
        Howard et al., Searching for MobileNetV3, https://arxiv.org/abs/1905.02244
    """

    def __init__(
        self,
        variant: Literal["large", "small"] = "large",
        width: Annotated[float, Bounds(above=0, most=4)] = 1.0,
        output_stride: Literal[8, 16, 32] = 32,
        input_shape: tuple[Count | None, Count | None, Channels] = (None, None, 3),
        name: str = "mobilenet_v3",
        trainable: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
        layer_settings: Settings | None = None,
    ):
        check_channels_last("MobileNetV3.input_shape", input_shape)
        check_call("MobileNetV3", MobileNetV3.__init__, locals())
        policy = resolve_policy("MobileNetV3.dtype", dtype)
        with policy_scope(policy):
            pixels = keras.Input(input_shape, name="image")
            table = scale_width(BACKBONES[variant], width)
            outputs, tap_strides = _connect(pixels, table, width, output_stride)
        super().__init__(
            pixels,
            outputs,
            name=name,
            trainable=trainable,
            policy=policy,
            layer_settings=layer_settings,
        )
        self.variant = variant
        self.width = width
        self.output_stride = output_stride
        self.tap_strides = tap_strides
        self.tap_channels = tuple(output.shape[-1] for output in outputs)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "variant": self.variant,
            "width": self.width,
            "output_stride": self.output_stride,
            "input_shape": tuple(self.input_shape[1:]),
        }
