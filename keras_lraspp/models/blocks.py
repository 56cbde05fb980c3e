"""The building blocks of MobileNetV3, as functions on Keras tensors."""

import keras

from keras_lraspp.layers import BatchNorm, HardGate, HardSwish, ScaleChannels
from keras_lraspp.models.mobilenet_v3_blocks import Block


def conv(x, filters, name, *, kernel_size=1, strides=1, use_bias=False):
    """A convolution padded symmetrically, with the reference's initial weights.

    Weights are drawn from N(0, sqrt(2 / (k k C_in))), untruncated; biases are 0.

    Args:
        x: Tensor (B, H, W, C).
        filters: Number of output channels.
        name: Layer name.
        kernel_size: Odd side of the kernel.
        strides: 1 or 2.
        use_bias: Whether to add a bias.

    Returns:
        Tensor (B, ceil(H / strides), ceil(W / strides), filters).
    """
    x, padding = _pad(x, kernel_size, strides, name)
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_initializer=he_normal_untruncated(),
        data_format="channels_last",
        name=name,
    )(x)


def depthwise_conv(x, name, *, kernel_size, strides, dilation):
    """A depthwise convolution padded symmetrically; no bias.

    The initial deviation counts all C input channels, as the reference does: the
    fan-in is not divided by the number of groups.

    Args:
        x: Tensor (B, H, W, C).
        name: Layer name.
        kernel_size: Odd side of the kernel.
        strides: 1 or 2.
        dilation: Dilation rate; 1 where `strides` is 2.

    Returns:
        Tensor (B, ceil(H / strides), ceil(W / strides), C).
    """
    x, padding = _pad(x, kernel_size, strides, name)
    return keras.layers.DepthwiseConv2D(
        kernel_size,
        strides=strides,
        padding=padding,
        dilation_rate=dilation,
        use_bias=False,
        depthwise_initializer=he_normal_untruncated(),
        data_format="channels_last",
        name=name,
    )(x)


def squeeze_excite(x, name):
    """Scales channels by a gate computed from their means.

    Squeezes to `channels // 4` (not rounded to a multiple of 8, unlike the paper's
    code), ReLU, expands, and gates with `HardGate`.

    Args:
        x: Tensor (B, H, W, C).
        name: Prefix of the layers' names.

    Returns:
        Tensor of `x`'s shape.
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


def inverted_residual(x, block: Block, name, *, strides, dilation):
    """One MobileNetV3 block: expand, depthwise, squeeze-excite, project.

    Source: Searching for MobileNetV3, section 5 and tables 1 and 2. The 1x1
    expansion is always there, also where it does not widen.

    Args:
        x: Tensor (B, H, W, C).
        block: The block's row of the table, channels already scaled by the width.
        name: Prefix of the layers' names.
        strides: Stride of the depthwise convolution.
        dilation: Its dilation.

    Returns:
        Tensor (B, ceil(H / strides), ceil(W / strides), block.filters).
    """
    shortcut = x
    x = conv(x, block.expanded, f"{name}_expand_conv")
    x = BatchNorm(name=f"{name}_expand_bn")(x)
    x = _activation(block)(name=f"{name}_expand_activation")(x)
    x = depthwise_conv(
        x,
        f"{name}_depthwise_conv",
        kernel_size=block.kernel_size,
        strides=strides,
        dilation=dilation,
    )
    x = BatchNorm(name=f"{name}_depthwise_bn")(x)
    x = _activation(block)(name=f"{name}_depthwise_activation")(x)
    if block.squeeze_excite:
        x = squeeze_excite(x, f"{name}_se")
    x = conv(x, block.filters, f"{name}_project_conv")
    x = BatchNorm(name=f"{name}_project_bn")(x)
    if block.strides == 1 and shortcut.shape[-1] == block.filters:
        x = keras.layers.Add(name=f"{name}_add")([shortcut, x])
    return x


def hard_swish(name):
    """The hard-swish layer, x * relu6(x + 3) / 6."""
    return HardSwish(name=name)


def he_normal_untruncated():
    """N(0, sqrt(2 / fan_in)), not truncated: the reference's initial weights."""
    return keras.initializers.VarianceScaling(
        scale=2.0, mode="fan_in", distribution="untruncated_normal"
    )


def _activation(block: Block):
    return hard_swish if block.hard_swish else keras.layers.ReLU


def _pad(x, kernel_size, strides, name):
    """Pads by k // 2 on each side where "same" would not do so (stride 2)."""
    if strides == 1 or kernel_size == 1:
        return x, "same"
    layer = keras.layers.ZeroPadding2D(
        kernel_size // 2, data_format="channels_last", name=f"{name}_pad"
    )
    return layer(x), "valid"
