"""LRASPP: MobileNetV3 with the Lite Reduced ASPP head."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

import keras

from keras_lraspp.arguments import (
    argument_names,
    constructor_names,
    refuse_unknown,
    register_class,
)
from keras_lraspp.classes import (
    MOST_CLASSES,
    ClassSet,
    classes_from_json,
    classes_to_json,
    resolve_classes,
)
from keras_lraspp.devices import policy_scope
from keras_lraspp.errors import InputError
from keras_lraspp.layers import BatchNorm, Concatenate, LargeKernelPool, ResizeLike
from keras_lraspp.models.families import (
    FAMILIES,
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
from keras_lraspp.models.importing import import_weights
from keras_lraspp.models.mobilenet_v3 import MobileNetV3, conv
from keras_lraspp.models.preset_folder import save_preset_folder
from keras_lraspp.models.presets import load_preset
from keras_lraspp.schema import Bounds, Channels, Count, check_call
from keras_lraspp.weights.keras_archive import KerasArchive


def _lraspp_head(taps, num_classes, filters, pooling, output_stride, family: Family):
    """Turns backbone taps, finest first, into logits at the size of one of the finest.

    PaddleSeg convolves with a bias before each of its three batch norms. That bias
    changes nothing but the running mean, so it is left out here; importing its weights
    subtracts it from the running mean.

    Source: Searching for MobileNetV3, section 6.4, with one more skip connection in all
    families but torchvision's.
    """
    deepest, biased = taps[-1], family.head_biases
    x = _conv_bn_relu(deepest, filters, "value", family)
    x = _gate(x, deepest, filters, pooling, output_stride, family.align_corners)
    if family.adds_logits:
        (skip,) = family.skips
        tap = skip.tap(taps)
        x = ResizeLike(name=f"head_to_{skip.stride}")(x, tap)
        fine = conv(tap, num_classes, "head_skip_classes_conv", use_bias=biased)
        deep = conv(x, num_classes, "head_classes_conv", use_bias=biased)
        return keras.layers.Add(name="head_add")([fine, deep])
    x = conv(x, filters, "head_mix_conv", use_bias=biased)
    for skip in family.skips:
        tap, stride = skip.tap(taps), skip.stride
        x = ResizeLike(name=f"head_to_{stride}")(x, tap)
        fine = conv(tap, skip.filters, f"head_skip_{stride}_conv")
        x = Concatenate(name=f"head_concat_{stride}")([x, fine])
        x = _conv_bn_relu(x, filters, f"fuse_{stride}", family)
    if family.dropout:
        x = keras.layers.SpatialDropout2D(
            family.dropout, data_format="channels_last", name="head_dropout"
        )(x)
    return conv(x, num_classes, "head_classes_conv", use_bias=biased)


def _gate(value, deepest, filters, pooling, output_stride, align_corners):
    """Multiplies by the sigmoid of the pooled deepest tap."""
    if pooling == "global":
        pool = keras.layers.GlobalAveragePooling2D(
            keepdims=True, data_format="channels_last", name="head_pool"
        )
    else:
        pool = LargeKernelPool(feature_stride=output_stride, name="head_pool")
    gate = conv(pool(deepest), filters, "head_gate_conv")
    gate = keras.layers.Activation("sigmoid", name="head_gate_sigmoid")(gate)
    if pooling != "global":  # a single cell multiplies by broadcasting
        resize = ResizeLike(align_corners=align_corners, name="head_gate_resize")
        gate = resize(gate, value)
    return keras.layers.Multiply(name="head_gate")([value, gate])


def _conv_bn_relu(x, filters, name, family: Family):
    x = conv(x, filters, f"head_{name}_conv")
    # PaddleSeg synchronises the head's batch norms over devices, and only them.
    x = BatchNorm(
        epsilon=family.head_epsilon,
        synchronized=True,
        name=f"head_{name}_bn",
    )(x)
    return keras.layers.ReLU(name=f"head_{name}_relu")(x)


@register_class
class LRASPP(GraphModel):
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
        input_shape: (height, width, channels); `None` sides take any size. Channels are
            1 to 64: 3 for RGB, 1 for grey, more for RGBA or bands of a satellite.
        initialization: `"reference"`, or `"scratch"` for a short training from random
            weights, see `initialize_for_scratch`. A saved model does not note it.
        backbone_weights: Weights to start the backbone from: published ones, which are
            downloaded once, `"imagenet"` (of `keras.applications`),
            `"imagenet_torchvision"` or PaddleSeg's `"imagenet_ssld"`; or a file, see
            `import_weights`, which adapts them to other channels than RGB. A model that
            is saved does not ask for them again.
        name: Name of the model.
        trainable: Whether its weights are trained.
        dtype: Its dtype policy: a name such as `"mixed_bfloat16"`, a policy, or `None`
            for the global one.
        layer_settings: What is different in single layers, by their names, as
            `{"head_mix_conv": {"trainable": False}}`. A saved model notes what was set.
        classes: Names and colours of the classes: what `Segmenter` takes, or `None`.
        family: Whose LR-ASPP it is, in every detail: `"paddleseg"`, `"fastseg"`,
            `"mmseg"` (mmsegmentation), `"torchvision"`, or `"tensorflow"`, which is
            mmsegmentation's head without dropout on the network of
            `keras.applications`. `None` is the family of the named `backbone_weights`,
            else PaddleSeg's.

    Attributes:
        family: Whose network it is.
        backbone: The `MobileNetV3` model inside.
        smallest_side: Smallest height and width, in pixels, that can go in.
        classes: Names and colours of the classes, a `ClassSet`, or `None` where nobody
            said them. It can be set, as to a list of names, and is saved.
        source: The `.keras` file or preset folder that its weights were read from, if
            they were.

    Call arguments:
        inputs: Pixels 0..255, RGB by default, uint8 or float, (B, H, W, channels).

    Returns (of a call):
        Float32 logits (B, H, W, num_classes).

    Raises:
        InputError: For arguments of another type or out of range, or
            `backbone_weights` that do not fit; it is a `ValueError`.
        TypeError: For arguments that there are not.
        ValueError: For a fixed `input_shape` below `smallest_side`.
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
        num_classes: Annotated[int, Bounds(1, MOST_CLASSES)] = 19,
        backbone: Literal["large", "small"] = "large",
        width: Annotated[float, Bounds(above=0, most=4)] = 1.0,
        output_stride: Literal[8, 16, 32] = 8,
        pooling: Literal["global", "large_kernel"] = "global",
        head_filters: Annotated[int, Bounds(1, 4096)] = 128,
        input_shape: tuple[Count | None, Count | None, Channels] = (None, None, 3),
        initialization: Literal["reference", "scratch"] = "reference",
        backbone_weights: str | Path | None = None,
        name: str = "lraspp",
        trainable: bool = True,
        dtype: str | keras.DTypePolicy | None = None,
        layer_settings: Settings | None = None,
        classes: ClassSet | str | Sequence[str] | None = None,
        family: FamilyName | None = None,
    ):
        check_channels_last("LRASPP.input_shape", input_shape)
        check_call("LRASPP", LRASPP.__init__, locals())
        policy = resolve_policy("LRASPP.dtype", dtype)
        family = choose_family(family, backbone_weights)
        with policy_scope(policy):
            encoder = MobileNetV3(
                backbone,
                width,
                output_stride,
                input_shape,
                name="backbone",
                family=family,
            )
            pixels = keras.Input(input_shape, name="image")
            logits = _lraspp_head(
                encoder(pixels),
                num_classes,
                head_filters,
                pooling,
                output_stride,
                FAMILIES[family],
            )
            logits = ResizeLike(dtype="float32", name="logits")(logits, pixels)
        super().__init__(
            pixels,
            logits,
            name=name,
            trainable=trainable,
            policy=policy,
            layer_settings=layer_settings,
        )
        self.num_classes = num_classes
        self.classes = classes
        self.source: Path | None = None
        self.backbone: MobileNetV3 = self.get_layer("backbone")
        self.family = family
        self.pooling = pooling
        self.head_filters = head_filters
        if initialization == "scratch":
            initialize_for_scratch(self)
        if backbone_weights is not None:
            import_weights(self.backbone, backbone_weights)

    @property
    def smallest_side(self) -> int:
        """Smallest height and width of an image, in pixels; 1 if any will do."""
        return getattr(self.get_layer("head_pool"), "smallest_side", 1)

    @property
    def classes(self) -> ClassSet | None:
        """Names and colours of the classes, if they are known."""
        return self._classes

    @classes.setter
    def classes(self, classes: ClassSet | str | Sequence[str] | None):
        known = None if classes is None else resolve_classes(classes)
        if known is not None and len(known.names) != self.num_classes:
            raise InputError(
                f"LRASPP.classes names {len(known.names)} classes, but the network has "
                f"{self.num_classes}; give a name for each."
            )
        self._classes = known

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "backbone": self.backbone.variant,
            "width": self.backbone.width,
            "output_stride": self.backbone.output_stride,
            "pooling": self.pooling,
            "head_filters": self.head_filters,
            "input_shape": tuple(self.input_shape[1:]),
            "classes": classes_to_json(self.classes),
            "family": self.family,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Builds the model from `get_config`'s dictionary."""
        classes = classes_from_json(config.get("classes"), "LRASPP.classes")
        return cls(**{**config, "classes": classes})

    @classmethod
    def from_preset(
        cls,
        preset: str | Path | KerasArchive,
        load_weights: bool = True,
        num_classes: int | None = None,
        strict: bool = True,
        variant: str | None = None,
        **overrides,
    ) -> Self:
        """Builds a published network, or that of a file, with its weights.

        Args:
            preset: A name that `keras-lraspp presets` lists, such as
                `"os8_global_cityscapes"` or `"torchvision_large_voc"`, whose weights
                are downloaded once; `"hf://user/name"` on the Hugging Face Hub, or
                `"hf://user/name@revision/folder"`; a folder of `save_to_preset`; or a
                file: a `.keras` file of an `LRASPP` (or its `KerasArchive`);
                PaddleSeg's `.pdparams` (or a folder or `.tar.gz` with
                `model.pdparams`); or a `.pth`, `.pt` or `.safetensors` file of
                torchvision's, fastseg's or mmsegmentation's LR-ASPP, whose family,
                backbone, filters and classes are seen by names and shapes. With
                `load_weights=False` also the name of any row of the table of
                variants, such as `"small_os32_global"`.
            load_weights: Whether to load the weights; otherwise they are random.
            num_classes: Number of classes, if not the file's. If it is another number,
                the last layer keeps its random weights and everything else is loaded:
                the start of a fine-tuning.
            strict: For files of other code bases, see `import_weights`.
            variant: Row of the table of variants that such a file belongs to. Needed
                where several have the same tensors, as PaddleSeg's.
            **overrides: Other arguments of `LRASPP`. With an `input_shape` of other
                channels than the weights', the first layer is adapted, with a warning,
                see `adapt_channels`. Without a `dtype` it is the global policy, or that
                of a `.keras` file if the global one is float32. What was set on single
                layers is not taken from a file: `keras.models.load_model` keeps it.

        Returns:
            An `LRASPP`.

        Raises:
            InputError: For an unknown name, or a file that is damaged, belongs to
                another network, or is not what was published.
            TypeError: For arguments that there are not.
            StorageError: If the weights cannot be downloaded or read.

        Example:
            ```python
            model = keras_lraspp.LRASPP.from_preset("os8_global_cityscapes")
            ```
        """
        known = argument_names(cls.from_preset) | constructor_names(cls)
        refuse_unknown(f"{cls.__name__}.from_preset", overrides, known)
        return load_preset(
            cls, preset, load_weights, num_classes, strict, variant, **overrides
        )

    def save_to_preset(self, preset_dir: str | Path, license: str | None = None):
        """Writes the network as a preset folder, for the Hugging Face Hub.

        The files are those of Keras and keras-hub: `config.json`,
        `model.weights.h5` (without the optimizer) and `metadata.json`, beside
        `keras_lraspp.json` with the classes. `README.md` is a model card. The score on
        it is that of the `best.keras` that the weights came from, and only if they
        have not changed since. A `README.md` that is there is kept.

        Args:
            preset_dir: The folder, made if missing. `from_preset` takes it, and
                `keras_lraspp.upload_preset` uploads it.
            license: Of the weights, by the Hub's identifiers, as `"apache-2.0"`.

        Raises:
            InputError: For a licence that is no identifier.
            StorageError: If the folder cannot be written.

        Example:
            ```python
            model = keras_lraspp.LRASPP.from_preset("output/camvid/best.keras")
            model.save_to_preset("camvid", license="cc-by-4.0")
            ```
        """
        save_preset_folder(self, preset_dir, license)


def initialize_for_scratch(model: keras.Model) -> None:
    """Draws initial weights for a short training from scratch.

    The reference draws every kernel from N(0, sqrt(2 / fan_in)), which is meant to be
    replaced by weights from ImageNet. Here kernels come from Glorot and Bengio's
    uniform distribution. It is narrower where channels are widened, and behind a batch
    norm a smaller kernel learns faster at the same rate. And each residual block starts
    as the identity, by a scale of 0 in its last batch norm (Goyal et al.,
    https://arxiv.org/abs/1706.02677, section 5.1).
    """
    backbone = getattr(model, "backbone", model)
    for layer in (*backbone.layers, *model.layers):
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)):
            # One initializer draws the same numbers for equal shapes.
            draw = keras.initializers.GlorotUniform()
            layer.kernel.assign(draw(layer.kernel.shape))
    for layer in backbone.layers:
        if isinstance(layer, keras.layers.Add):
            block = layer.name.removesuffix("_add")
            scale = backbone.get_layer(f"{block}_project_bn").gamma
            scale.assign(keras.ops.zeros(scale.shape))
