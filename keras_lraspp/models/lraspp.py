"""LRASPP: MobileNetV3 with the Lite Reduced ASPP head."""

import keras

from keras_lraspp.layers import ResizeLike
from keras_lraspp.models.lraspp_head import lraspp_head
from keras_lraspp.models.mobilenet_v3 import MobileNetV3


@keras.saving.register_keras_serializable("keras_lraspp")
class LRASPP(keras.Model):
    """Semantic segmentation with MobileNetV3 and Lite Reduced ASPP.

    The defaults are the `os8_global` variant of PaddleSeg (72.33 mIoU on
    Cityscapes). Pixels go in as they are in the file; rescaling is the first
    layer. Logits come out in float32 also under mixed precision.

    Args:
        num_classes: Number of classes, the channels of the logits.
        backbone: `"large"` or `"small"`.
        width: Channel multiplier of the backbone.
        output_stride: 8, 16 or 32: pixels per cell of the deepest feature map.
        pooling: `"global"`, or `"large_kernel"` for the 49x49 window. The latter
            needs images whose sides are at least `smallest_side`.
        head_filters: Channels of the head.
        input_shape: (height, width, 3); `None` sides take any size.
        zero_init_residual: See `MobileNetV3`.
        name: Name of the model.
        **kwargs: Arguments of `keras.Model`.

    Attributes:
        backbone: The `MobileNetV3` model inside.
        smallest_side: Smallest height and width, in pixels, that can go in.

    Call arguments:
        inputs: RGB pixels 0..255, uint8 or float, (B, H, W, 3).

    Returns (of a call):
        Float32 logits (B, H, W, num_classes).

    Raises:
        ValueError: For arguments out of range, or a fixed `input_shape` below
            `smallest_side`.

    Example:
        ```python
        model = keras_lraspp.LRASPP(num_classes=19)
        labels = keras.ops.argmax(model(images), axis=-1)
        ```

    Reference:
        Howard et al., Searching for MobileNetV3, https://arxiv.org/abs/1905.02244,
        section 6.4.
    """

    def __init__(
        self,
        num_classes=19,
        backbone="large",
        width=1.0,
        output_stride=8,
        pooling="global",
        head_filters=128,
        input_shape=(None, None, 3),
        zero_init_residual=False,
        name="lraspp",
        **kwargs,
    ):
        if num_classes < 1:
            raise ValueError(f"num_classes is at least 1, not {num_classes!r}.")
        encoder = MobileNetV3(
            backbone,
            width,
            output_stride,
            input_shape,
            zero_init_residual,
            name="backbone",
        )
        pixels = keras.Input(input_shape, name="image")
        finest, middle, _, deepest = encoder(pixels)
        logits = lraspp_head(
            (finest, middle, deepest),
            num_classes=num_classes,
            filters=head_filters,
            pooling=pooling,
            output_stride=output_stride,
        )
        logits = ResizeLike(dtype="float32", name="logits")(logits, pixels)

        super().__init__(inputs=pixels, outputs=logits, name=name, **kwargs)
        self.num_classes = num_classes
        self.backbone = encoder
        self.pooling = pooling
        self.head_filters = head_filters

    @property
    def smallest_side(self) -> int:
        """Smallest height and width of an image, in pixels; 1 if any will do."""
        return getattr(self.get_layer("head_pool"), "smallest_side", 1)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            "num_classes": self.num_classes,
            "backbone": self.backbone.variant,
            "width": self.backbone.width,
            "output_stride": self.backbone.output_stride,
            "pooling": self.pooling,
            "head_filters": self.head_filters,
            "input_shape": tuple(self.input_shape[1:]),
            "zero_init_residual": self.backbone.zero_init_residual,
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`'s dictionary."""
        return cls(**config)
