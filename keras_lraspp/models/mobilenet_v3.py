"""MobileNetV3, a segmentation backbone: block tables, blocks and model."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

import keras

from keras_lraspp.arguments import register_class
from keras_lraspp.devices import policy_scope
from keras_lraspp.layers import (
    BatchNorm,
    Conv2D,
    DepthwiseConv2D,
    HardGate,
    HardSwish,
    ScaleChannels,
    ZeroPadding2D,
)
from keras_lraspp.models.families import (
    FAMILIES,
    LAST_CONV,
    STEM,
    Family,
    FamilyName,
    choose_family,
)
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


LARGE = (
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
)

SMALL = (
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
)

BLOCKS = {"large": LARGE, "small": SMALL}


def scale_channels(channels: int, width: float) -> int:
    """Scales channels to the nearest multiple of 8, at least 0.9 of the exact value."""
    value = channels * width
    rounded = max(8, int(value + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * value else rounded


def scale_blocks(variant: str, width: float, family: Family) -> tuple[Block, ...]:
    """Returns the blocks of `"large"` or `"small"`, all channels scaled by `width`."""
    scaled, before, channels = [], 16, scale_channels(16, width)
    for block in BLOCKS[variant]:
        expanded = scale_channels(block.expanded, width)
        if family.expands_scaled:
            expanded = scale_channels(channels * block.expanded / before, 1.0)
        before, channels = block.filters, scale_channels(block.filters, width)
        scaled.append(block._replace(expanded=expanded, filters=channels))
    return tuple(scaled)


def expands(block: Block, channels: int, family: Family) -> bool:
    """Whether a block of `channels` channels in has a 1x1 convolution that widens."""
    return family.always_expands or block.expanded != channels


def last_channels(blocks: Sequence[Block]) -> int:
    """Returns the channels of the 1x1 convolution behind the last block."""
    return 6 * blocks[-1].filters


def squeezed_channels(channels: int, family: Family) -> int:
    """Returns the channels of the bottleneck of squeeze-and-excite."""
    squeezed = channels // 4
    return scale_channels(squeezed, 1.0) if family.rounds_squeezed else squeezed


def strides_and_dilations(
    blocks: Sequence[Block], output_stride: int, dilates_strided: bool = False
) -> list[tuple[int, int]]:
    """Returns (strides, dilation) of each block for an output stride of 8, 16 or 32.

    A block that would pass `output_stride` keeps its resolution; the blocks after it
    are dilated by the stride that was left out, and with `dilates_strided` it is, too.
    """
    layout, stride, dilation = [], 2, 1  # the stem has stride 2
    for block in blocks:
        if stride * block.strides <= output_stride:
            layout.append((block.strides, dilation))
            stride *= block.strides
        else:
            own, dilation = dilation, dilation * block.strides
            layout.append((1, dilation if dilates_strided else own))
    return layout


def conv(x, filters, name, *, kernel_size=1, strides=1, use_bias=False, symmetric=True):
    """Convolves with padding: ceil(side / strides) cells a side.

    It is symmetric, or else TensorFlow's "same". Weights are drawn from
    N(0, sqrt(2 / (k k C_in))), untruncated; biases are 0.
    """
    x, padding = _pad(x, kernel_size, strides, name, symmetric)
    return Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=_he_normal(),
        data_format="channels_last",
        name=name,
    )(x)


def _depthwise_conv(x, name, *, kernel_size, strides, dilation, symmetric):
    """Convolves each channel by itself; initial weights as of `conv`.

    Their deviation counts all C input channels, as the reference does: the fan-in is
    not divided by the number of groups.
    """
    x, padding = _pad(x, kernel_size, strides, name, symmetric)
    return DepthwiseConv2D(
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


def _pad(x, kernel_size, strides, name, symmetric):
    """Pads by k // 2 on each side where "same" would not do so (stride 2)."""
    if strides == 1 or kernel_size == 1 or not symmetric:
        return x, "same"
    layer = ZeroPadding2D(
        kernel_size // 2, data_format="channels_last", name=f"{name}_pad"
    )
    return layer(x), "valid"


def _batch_norm(x, name, family: Family):
    return BatchNorm(momentum=family.momentum, epsilon=family.epsilon, name=name)(x)


def _squeeze_excite(x, name, family: Family):
    """Scales channels by a gate computed from their means."""
    channels = x.shape[-1]
    gate = keras.layers.GlobalAveragePooling2D(
        keepdims=True, data_format="channels_last", name=f"{name}_pool"
    )(x)
    squeezed = squeezed_channels(channels, family)
    gate = conv(gate, squeezed, f"{name}_squeeze", use_bias=True)
    gate = keras.layers.ReLU(name=f"{name}_relu")(gate)
    gate = conv(gate, channels, f"{name}_expand", use_bias=True)
    gate = HardGate(family.gate_slope, name=f"{name}_gate")(gate)
    return ScaleChannels(name=f"{name}_scale")([x, gate])


def _inverted_residual(x, block: Block, name, family: Family, *, strides, dilation):
    """One MobileNetV3 block: expand, depthwise, squeeze-excite, project.

    Source: Searching for MobileNetV3, section 5 and tables 1 and 2.
    """
    activation = HardSwish if block.hard_swish else keras.layers.ReLU
    shortcut = x
    if expands(block, x.shape[-1], family):
        x = conv(x, block.expanded, f"{name}_expand_conv")
        x = _batch_norm(x, f"{name}_expand_bn", family)
        x = activation(name=f"{name}_expand_activation")(x)
    x = _depthwise_conv(
        x,
        f"{name}_depthwise_conv",
        kernel_size=block.kernel_size,
        strides=strides,
        dilation=dilation,
        symmetric=family.symmetric_padding,
    )
    x = _batch_norm(x, f"{name}_depthwise_bn", family)
    x = activation(name=f"{name}_depthwise_activation")(x)
    if block.squeeze_excite:
        x = _squeeze_excite(x, f"{name}_se", family)
    x = conv(x, block.filters, f"{name}_project_conv")
    x = _batch_norm(x, f"{name}_project_bn", family)
    if block.strides == 1 and shortcut.shape[-1] == block.filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def _rescale(pixels, family: Family):
    """Normalises pixels, with one number where it is that of all channels."""
    mean, deviation = family.normalization(pixels.shape[-1])
    if len({*mean}) == len({*deviation}) == 1:
        mean, deviation = mean[:1], deviation[:1]
    scale = [1 / one for one in deviation]
    offset = [-middle / one for middle, one in zip(mean, deviation, strict=True)]
    if len(scale) == 1:
        scale, offset = scale[0], offset[0]
    # In float32 also under mixed precision: half floats cannot tell
    # neighbouring dark pixels apart.
    return keras.layers.Rescaling(scale, offset, dtype="float32", name="rescaling")(
        pixels
    )


def _connect(pixels, variant: str, width: float, output_stride: int, family: Family):
    """Returns what each tap of a network over `pixels` gives, and their strides."""
    blocks = scale_blocks(variant, width, family)
    layout = strides_and_dilations(blocks, output_stride, family.dilates_strided)
    x = _rescale(pixels, family)
    x = conv(
        x,
        scale_channels(16, width),
        "stem_conv",
        kernel_size=3,
        strides=2,
        symmetric=family.symmetric_padding,
    )
    x = _batch_norm(x, "stem_bn", family)
    x = HardSwish(name="stem_activation")(x)
    found, stride = {STEM: (x, 2)}, 2
    for index, (block, (strides, dilation)) in enumerate(
        zip(blocks, layout, strict=True)
    ):
        name = f"block_{index}"
        x = _inverted_residual(
            x, block, name, family, strides=strides, dilation=dilation
        )
        stride *= strides
        found[index] = x, stride
    if family.last_conv:
        x = conv(x, last_channels(blocks), "last_conv")
        x = _batch_norm(x, "last_bn", family)
        found[LAST_CONV] = HardSwish(name="last_activation")(x), stride
    return zip(*(found[tap] for tap in family.taps[variant]), strict=True)


@register_class
class MobileNetV3(GraphModel):
    """MobileNetV3 large or small, from pixels to feature maps.

    Without a classifier; rescaling of pixels is its first layer. PaddleSeg's
    (`MobileNetV3_{large,small}_x*`) gives four feature maps and has no final
    convolution to 960 or 576 channels. The other families have it, and give five.

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
        family: Whose MobileNetV3 it is, in every detail: `"paddleseg"`,
            `"tensorflow"` (that of `keras.applications`), `"fastseg"` or `"mmseg"`
            (the same for pixels normalised by ImageNet's mean and deviation) or
            `"torchvision"`. `None` is PaddleSeg's.

    Attributes:
        family: Whose network it is.
        tap_strides: Stride of each output, e.g. (4, 8, 8, 8) at output stride 8.
        tap_channels: Channels of each output.

    Call arguments:
        inputs: Pixels 0..255, RGB by default, uint8 or float, (B, H, W, channels).

    Returns (of a call):
        List of tensors (B, ceil(H / s), ceil(W / s), channels) in compute dtype, s in
        `tap_strides`.

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
        family: FamilyName | None = None,
    ):
        check_channels_last("MobileNetV3.input_shape", input_shape)
        check_call("MobileNetV3", MobileNetV3.__init__, locals())
        policy = resolve_policy("MobileNetV3.dtype", dtype)
        with policy_scope(policy):
            pixels = keras.Input(input_shape, name="image")
            family = choose_family(family)
            outputs, tap_strides = _connect(
                pixels, variant, width, output_stride, FAMILIES[family]
            )
        super().__init__(
            pixels,
            list(outputs),
            name=name,
            trainable=trainable,
            policy=policy,
            layer_settings=layer_settings,
        )
        self.variant = variant
        self.width = width
        self.output_stride = output_stride
        self.family = family
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
            "family": self.family,
        }
