"""The Lite Reduced ASPP head, as a function on Keras tensors."""

import keras

from keras_lraspp.layers import BatchNorm, LargeKernelPool, ResizeLike
from keras_lraspp.models.blocks import conv

# Filters of the 1x1 convolutions on the two skip connections, deepest first.
SKIP_FILTERS = (64, 32)
POOLINGS = ("global", "large_kernel")


def lraspp_head(taps, *, num_classes, filters, pooling, output_stride):
    """Turns backbone taps into logits at the resolution of the finest tap.

    The reference convolves with a bias before each of its three batch norms. That
    bias changes nothing but the running mean, so it is left out here; importing
    reference weights subtracts it from the running mean.

    Source: Searching for MobileNetV3, section 6.4, with PaddleSeg's second skip
    connection.

    Args:
        taps: (finest, middle, deepest) tensors, at strides 4, 8 and output stride.
        num_classes: Channels of the logits.
        filters: Channels of the head.
        pooling: `"global"` or `"large_kernel"`.
        output_stride: Stride of the deepest tap.

    Returns:
        Tensor (B, h, w, num_classes), h and w those of the finest tap.

    Raises:
        ValueError: For an unknown pooling.
    """
    if pooling not in POOLINGS:
        raise ValueError(f"pooling is one of {POOLINGS}, not {pooling!r}.")
    finest, middle, deepest = taps
    x = _conv_bn_relu(deepest, filters, "value")
    x = _gate(x, deepest, filters, pooling, output_stride)
    x = conv(x, filters, "head_mix_conv")
    for skip, skip_filters, stride in zip(
        (middle, finest), SKIP_FILTERS, (8, 4), strict=True
    ):
        x = ResizeLike(name=f"head_to_{stride}")(x, skip)
        skip = conv(skip, skip_filters, f"head_skip_{stride}_conv")
        x = keras.layers.Concatenate(name=f"head_concat_{stride}")([x, skip])
        x = _conv_bn_relu(x, filters, f"fuse_{stride}")
    return conv(x, num_classes, "head_classes_conv")


def _gate(value, deepest, filters, pooling, output_stride):
    if pooling == "global":
        pool = keras.layers.GlobalAveragePooling2D(
            keepdims=True, data_format="channels_last", name="head_pool"
        )
    else:
        pool = LargeKernelPool(feature_stride=output_stride, name="head_pool")
    gate = conv(pool(deepest), filters, "head_gate_conv")
    gate = keras.layers.Activation("sigmoid", name="head_gate_sigmoid")(gate)
    if pooling != "global":  # a single cell multiplies by broadcasting
        gate = ResizeLike(name="head_gate_resize")(gate, value)
    return keras.layers.Multiply(name="head_gate")([value, gate])


def _conv_bn_relu(x, filters, name):
    x = conv(x, filters, f"head_{name}_conv")
    # The reference synchronises the head's batch norms over devices, and only them.
    x = BatchNorm(synchronized=True, name=f"head_{name}_bn")(x)
    return keras.layers.ReLU(name=f"head_{name}_relu")(x)
