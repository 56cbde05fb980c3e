"""MobileNetV3 as a segmentation backbone that publishes its taps."""

import keras

from keras_lraspp.layers import BatchNorm
from keras_lraspp.models import blocks
from keras_lraspp.models.mobilenet_v3_blocks import (
    BACKBONES,
    STEM_FILTERS,
    scale_channels,
    scaled,
    strides_and_dilations,
)


@keras.saving.register_keras_serializable("keras_lraspp")
class MobileNetV3(keras.Model):
    """MobileNetV3 large or small, from pixels to four feature maps.

    The network of PaddleSeg's `MobileNetV3_{large,small}_x*`: no final 960-channel
    convolution, no classifier. Rescaling of pixels is its first layer.

    Args:
        variant: `"large"` or `"small"`.
        width: Channel multiplier; published ones are 0.35, 0.5, 0.75, 1.0, 1.25.
        output_stride: 8, 16 or 32. Below 32 the last stages keep their
            resolution and are dilated instead.
        input_shape: (height, width, 3); `None` sides take any size.
        name: Name of the model.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        tap_strides: Stride of each output, e.g. (4, 8, 8, 8) at output stride 8.
        tap_channels: Channels of each output.

    Call arguments:
        inputs: RGB pixels 0..255, uint8 or float, (B, H, W, 3).

    Returns (of a call):
        List of four tensors (B, ceil(H / s), ceil(W / s), channels) in compute
        dtype, s in `tap_strides`.

    Raises:
        ValueError: For an unknown variant or output stride.

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
        variant="large",
        width=1.0,
        output_stride=32,
        input_shape=(None, None, 3),
        name="mobilenet_v3",
        **kwargs,
    ):
        if variant not in BACKBONES:
            raise ValueError(f'variant is "large" or "small", not {variant!r}.')
        if output_stride not in (8, 16, 32):
            raise ValueError(f"output_stride is 8, 16 or 32, not {output_stride!r}.")
        table = scaled(BACKBONES[variant], width)
        layout = strides_and_dilations(table, output_stride)

        pixels = keras.Input(input_shape, name="image")
        # In float32 also under mixed precision: half floats cannot tell
        # neighbouring dark pixels apart.
        x = keras.layers.Rescaling(
            1 / 127.5, offset=-1.0, dtype="float32", name="rescaling"
        )(pixels)
        x = blocks.conv(
            x,
            scale_channels(STEM_FILTERS, width),
            "stem_conv",
            kernel_size=3,
            strides=2,
        )
        x = BatchNorm(name="stem_bn")(x)
        x = blocks.hard_swish("stem_activation")(x)
        outputs, tap_strides, stride = [], [], 2
        for index, (block, (strides, dilation)) in enumerate(
            zip(table.blocks, layout, strict=True)
        ):
            x = blocks.inverted_residual(
                x, block, f"block_{index}", strides=strides, dilation=dilation
            )
            stride *= strides
            if index in table.taps:
                outputs.append(x)
                tap_strides.append(stride)

        super().__init__(inputs=pixels, outputs=outputs, name=name, **kwargs)
        self.variant = variant
        self.width = width
        self.output_stride = output_stride
        self.tap_strides = tuple(tap_strides)
        self.tap_channels = tuple(output.shape[-1] for output in outputs)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "variant": self.variant,
            "width": self.width,
            "output_stride": self.output_stride,
            "input_shape": tuple(self.input_shape[1:]),
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`'s dictionary."""
        return cls(**config)
