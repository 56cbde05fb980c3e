"""LRASPP: MobileNetV3 with the Lite Reduced ASPP head."""

import keras

from keras_lraspp.layers import ResizeLike
from keras_lraspp.models.initialization import initialize_for_scratch
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
        initialization: `"reference"`, or `"scratch"` for a short training from random
            weights, see `initialize_for_scratch`. A saved model does not note it.
        backbone_weights: Weights to start the backbone from: `"imagenet_ssld"` for
            the published ones of `"large"`, which are downloaded once, or a file, see
            `import_weights`. A model that is saved does not ask for them again.
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
        InputError: If `backbone_weights` do not fit.
        StorageError: If they cannot be downloaded or read.

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
        initialization="reference",
        backbone_weights=None,
        name="lraspp",
        **kwargs,
    ):
        if num_classes < 1:
            raise ValueError(f"num_classes is at least 1, not {num_classes!r}.")
        if initialization not in ("reference", "scratch"):
            raise ValueError(
                f'initialization is "reference" or "scratch", not {initialization!r}.'
            )
        encoder = MobileNetV3(
            backbone, width, output_stride, input_shape, name="backbone"
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
        if initialization == "scratch":
            initialize_for_scratch(self)
        if backbone_weights is not None:
            from keras_lraspp.models.importing import import_weights

            import_weights(encoder, backbone_weights)

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
            "name": self.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`'s dictionary."""
        return cls(**config)

    @classmethod
    def from_preset(cls, preset, load_weights=True, num_classes=None, **kwargs):
        """Builds a published network, or that of a file, with its weights.

        Args:
            preset: `"os8_global_cityscapes"`, `"os8_large_kernel_cityscapes"`,
                `"os32_global_cityscapes"`, or a `.keras` or `.pdparams` file.
            load_weights: Whether to load the weights; otherwise they are random.
            num_classes: Number of classes; if not the file's, the last layer is
                random and everything else is loaded.
            **kwargs: As for `keras_lraspp.models.presets.from_preset`: `strict`,
                `variant`, and arguments of `LRASPP`.

        Returns:
            An `LRASPP`.

        Raises:
            InputError: For an unknown preset or a file that does not fit.
            StorageError: If the weights cannot be downloaded or read.
        """
        from keras_lraspp.models.presets import from_preset

        return from_preset(preset, load_weights, num_classes, **kwargs)
