"""TensorFlow inference graph of all formats: uint8 image in, labels or scores out."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_lraspp.classes import ClassSet, foreground_classes
from keras_lraspp.errors import InputError
from keras_lraspp.export.folding import (
    Convolution,
    folded_convolutions,
    pad_expanded,
)
from keras_lraspp.export.metadata import INPUT, OUTPUTS, Metadata
from keras_lraspp.inference.functions import image_channels
from keras_lraspp.inference.heads import logits_head, smallest_side
from keras_lraspp.layers.resizing import resize_align_corners, resize_bilinear
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.models.lraspp import LRASPP

Sides = tuple[int | None, int | None]  # height and width; `None` for any


class ConverterStyle(NamedTuple):
    """How a converter wants operations to be written."""

    # Of a number: tf2onnx stumbles over scalars, LiteRT's converter needs them to find
    # a hard-swish. In 8 bits it must not: XNNPACK, LiteRT's threaded kernels, lacks
    # that operator, but makes one table of a sum, relu6 and products.
    constant_shape: tuple[int, ...]
    # A dilated depthwise convolution as one, which TensorFlow cannot run on a CPU.
    dilated_operator: bool
    # Numbers also where "SAME" would do, with which ONNX Runtime has no dilation.
    padding_in_numbers: bool
    # Expanded channels of blocks are padded to a multiple of this.
    channel_multiple: int = 1
    # Gates times the kernel of the next convolution where that is fewer products than
    # times the features. Such a kernel is no constant, which 8 or 16 bits would need.
    gates_in_kernel: bool = False


CONVERTER_STYLES = {
    "tensorflow": ConverterStyle((), dilated_operator=False, padding_in_numbers=False),
    "litert": ConverterStyle((), dilated_operator=True, padding_in_numbers=False),
    "onnx": ConverterStyle(
        (1, 1, 1, 1), dilated_operator=True, padding_in_numbers=True
    ),
}
CONVERTER_STYLES |= {
    "litert_float32": CONVERTER_STYLES["litert"]._replace(gates_in_kernel=True),
    "litert_int8": CONVERTER_STYLES["litert"]._replace(constant_shape=(1, 1, 1, 1)),
    # What the integer kernels of ONNX Runtime calculate side by side.
    "onnx_int8": CONVERTER_STYLES["onnx"]._replace(channel_multiple=16),
}


def require_tensorflow(what: str) -> None:
    """Raises InputError on another backend; `what` is e.g. "An ONNX file"."""
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"{what} is written by TensorFlow, not {backend}: set "
            f"KERAS_BACKEND=tensorflow. Weights from any backend load there."
        )


def check_output_names(outputs: Sequence[str]) -> tuple[str, ...]:
    """Returns `outputs`; raises InputError if some are unknown, twice or none."""
    names = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    if not names or set(names) - set(OUTPUTS) or len(set(names)) < len(names):
        raise InputError(f"outputs are some of {OUTPUTS}, each once, not {outputs!r}.")
    return names


@contextlib.contextmanager
def quiet_converter(logger: str) -> Iterator[None]:
    """Keeps the warnings and notes of a converter, by its logger, off the screen."""
    log = logging.getLogger(logger)
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


class FileContents(NamedTuple):
    """A model and the choices that its exported file is made by."""

    model: keras.Model  # of uint8 pixels (B, H, W, C) to logits (B, H, W, classes)
    outputs: tuple[str, ...]  # some of `OUTPUTS`
    sides: Sides  # of the images
    metadata: Metadata

    @property
    def channels(self) -> int:
        """Number of channels of the images."""
        return image_channels(self.model)


def choose_contents(
    model: keras.Model,
    outputs: Sequence[str],
    size: Sequence[int] | None,
    classes: ClassSet | None,
    variant: str | None,
) -> FileContents:
    """Returns the contents of a file; raises InputError for what does not fit.

    They are of a model of logits, whatever the given one ends in, see `logits_head`.
    """
    outputs = check_output_names(outputs)
    one_channel = model.output_shape[-1] == 1
    if one_channel and isinstance(model, LRASPP):
        model = _with_background(model)  # its graph is written anew, unlike others'
    model, activation = logits_head(model)
    if activation == "sigmoid":
        raise InputError(
            "The model ends in a sigmoid over several channels, each pixel may be of "
            "several classes, and an exported file gives it one; end it in a softmax."
        )
    sides, count = _image_sides(model, size), model.output_shape[-1]
    if one_channel:
        classes = foreground_classes(classes)
    if classes is not None and len(classes.names) != count:
        raise InputError(
            f"The model predicts {count} classes, but {len(classes.names)} are named; "
            f"give as many names."
        )
    smallest = smallest_side(model)
    return FileContents(
        model, outputs, sides, Metadata(count, smallest, variant, classes)
    )


def _with_background(model: LRASPP) -> LRASPP:
    """Makes two channels of one: logits 0 and what they were."""
    changed = {"num_classes": 2, "classes": None}
    made = LRASPP.from_config({**model.get_config(), **changed})
    for ours, theirs in zip(made.weights, model.weights, strict=True):
        pairs = zip(ours.shape, theirs.shape, strict=True)
        value = keras.ops.convert_to_numpy(theirs)
        ours.assign(np.pad(value, [(mine - other, 0) for mine, other in pairs]))
    return made


def _image_sides(model: keras.Model, size: Sequence[int] | None) -> Sides:
    """Returns the fixed height and width of a file's images, `None` for any."""
    own = tuple(model.input_shape[1:3])
    if size is None:
        return own
    sides = tuple(size)
    smallest = smallest_side(model)
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise InputError(f"size is (height, width) in pixels, not {size!r}.")
    if min(sides) < smallest:
        raise InputError(
            f"size is {sides}, but this model's smallest side is {smallest} pixels."
        )
    pairs = zip(own, sides, strict=True)
    if any(mine not in (None, side) for mine, side in pairs):
        raise InputError(f"size is {sides}, but the model was built for {own}.")
    return sides


def inference_graph(
    model: keras.Model,
    target: str,
    outputs: Sequence[str] = ("labels",),
    sides: Sides = (None, None),
    batch: int | None = None,
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """Makes the graph that an exported file holds.

    An `LRASPP` is written anew from its weights now, in the style that
    `CONVERTER_STYLES` has for `target`, without batch norm and with fewer operations;
    another model is called as it is.

    Returns a `tf.function` with the signature `image`, uint8 (batch, *sides, C) of the
    model's channels, `None` for any. It returns, as asked for, `labels`, int32
    (B, H, W), the lower class where two are equal; `logits` and `probabilities`,
    float32 (B, H, W, classes).
    """
    logits_of = _logits_function(model, target, outputs)
    shape = (batch, *sides, image_channels(model))

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.uint8, name=INPUT)],
        autograph=False,
    )
    def call(image):
        logits = logits_of(image)
        found = {}
        if "labels" in outputs:
            found["labels"] = tf.argmax(logits, axis=-1, output_type=tf.int32)
        if "logits" in outputs:
            found["logits"] = logits
        if "probabilities" in outputs:
            found["probabilities"] = tf.nn.softmax(logits, axis=-1)
        return {name: tf.identity(found[name], name=name) for name in outputs}

    return call


def _logits_function(model: keras.Model, target: str, outputs: Sequence[str]):
    if not isinstance(model, LRASPP):
        return lambda image: tf.cast(model(image, training=False), tf.float32)
    padded_classes = 0
    if target == "onnx" and tuple(outputs) == ("labels",):
        # A multiple of 4, which ONNX Runtime resizes a fifth faster.
        padded_classes = -(-model.output_shape[-1] // 4) * 4
    small = small_logits(model, target, padded_classes)
    return lambda image: _resize_like(small(image), image)


def small_logits(
    model: keras.Model, target: str, padded_classes: int = 0
) -> Callable[[tf.Tensor], tf.Tensor]:
    """Makes the function of an `LRASPP` up to its last resize, from its weights now.

    It returns float32 logits (B, ceil(H / s), ceil(W / s), classes), s the stride of
    the finest skip connection. Those beyond the model's classes, up to
    `padded_classes`, are never the largest.
    """
    style = CONVERTER_STYLES[target]
    convolutions = pad_expanded(folded_convolutions(model), style.channel_multiple)
    for name, bias in (("head_classes_conv", -1e30), ("head_skip_classes_conv", 0)):
        if name in convolutions:  # of two, the logits are the sum
            convolutions[name] = convolutions[name].padded(padded_classes, bias)
    write = Writer(style)

    def call(image: tf.Tensor) -> tf.Tensor:
        taps = _backbone(write, model.backbone, convolutions, image)
        return _head(write, model, convolutions, taps)

    return call


class Writer(NamedTuple):
    """Writes TensorFlow operations in a converter's style."""

    style: ConverterStyle

    def number(self, value: float) -> tf.Tensor:
        """Returns a constant."""
        return tf.constant(value, tf.float32, self.style.constant_shape)

    def per_channel(self, values: np.ndarray) -> tf.Tensor:
        """Returns a constant of one number, or of one for each channel."""
        if values.size == 1:
            return self.number(values.item())
        return tf.constant(
            values, tf.float32, (*self.style.constant_shape[:-1], values.size)
        )

    def conv(self, x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        """Convolves, padded as it says, and adds the bias if any."""
        kernel = tf.constant(conv.kernel, tf.float32)
        x = tf.nn.conv2d(x, kernel, conv.stride, self._padding(conv))
        return self._biased(x, conv)

    def gated_conv(self, x: tf.Tensor, gate: tf.Tensor, conv: Convolution) -> tf.Tensor:
        """Convolves `x` times `gate`, which is (B, 1, 1, channels), by a 1x1 kernel."""
        batch, height, width, channels = x.shape
        count = len(conv.bias)
        fixed = self.style.gates_in_kernel and batch == 1 and None not in x.shape
        if not fixed or height * width < 8 * count:
            return self.conv(x * gate, conv)
        kernel = tf.constant(conv.kernel[0], tf.float32)
        kernel *= tf.reshape(gate, (1, channels, 1))
        x = tf.matmul(tf.reshape(x, (1, -1, channels)), kernel)
        return self._biased(tf.reshape(x, (1, height, width, count)), conv)

    def depthwise(self, x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        """Convolves each channel on its own, padded as it says, with bias if any."""
        kernel, padding = tf.constant(conv.kernel, tf.float32), self._padding(conv)
        strides, rate = [1, conv.stride, conv.stride, 1], conv.dilation
        if self.style.dilated_operator:
            numbers = padding != "SAME"
            x = tf.raw_ops.DepthwiseConv2dNative(
                input=x,
                filter=kernel,
                strides=strides,
                padding="EXPLICIT" if numbers else "SAME",
                explicit_paddings=sum(padding, []) if numbers else [],
                dilations=[1, rate, rate, 1],
            )
        else:
            if padding != "SAME":
                # In numbers, it makes TensorFlow 2.21's optimizer abort the process.
                x, padding = tf.pad(x, padding), "VALID"
            x = tf.nn.depthwise_conv2d(x, kernel, strides, padding, None, (rate, rate))
        return self._biased(x, conv)

    def hard_swish(self, x: tf.Tensor) -> tf.Tensor:
        """Returns x * relu6(x + 3) / 6."""
        return x * tf.nn.relu6(x + self.number(3)) * self.number(1 / 6)

    def _padding(self, conv: Convolution):
        side = conv.kernel.shape[0] // 2 * conv.dilation
        # TensorFlow's "SAME" is symmetric at stride 1 only. At 2 its numbers depend on
        # whether the image's sides are even.
        same = conv.stride == 1 and not self.style.padding_in_numbers
        if side == 0 or same or not conv.symmetric:
            return "SAME"
        return [[0, 0], [side, side], [side, side], [0, 0]]

    @staticmethod
    def _biased(x: tf.Tensor, conv: Convolution) -> tf.Tensor:
        if not conv.bias.any():
            return x
        return tf.nn.bias_add(x, tf.constant(conv.bias, tf.float32))


def _backbone(write: Writer, backbone: keras.Model, convs, image) -> list[tf.Tensor]:
    rescaling = backbone.get_layer("rescaling")
    deviation = 1 / np.asarray(rescaling.scale)
    # What is taken from pixels is zero where the padding is: it cannot be folded.
    x = tf.cast(image, tf.float32)
    x -= write.per_channel(-np.asarray(rescaling.offset) * deviation)
    x = write.hard_swish(write.conv(x, convs["stem_conv"].taking(deviation)))
    names = {layer.name for layer in backbone.layers}
    made = {"stem_activation": x}
    for index in range(len(names)):
        block = f"block_{index}"
        if f"{block}_depthwise_conv" not in names:
            break
        x = _block(write, backbone, convs, block, x)
        last = f"{block}_add" if f"{block}_add" in names else f"{block}_project_bn"
        made[last] = x
    if "last_conv" in names:
        made["last_activation"] = write.hard_swish(write.conv(x, convs["last_conv"]))
    outputs = {id(backbone.get_layer(name).output): x for name, x in made.items()}
    return [outputs[id(output)] for output in backbone.outputs]


def _block(write: Writer, backbone: keras.Model, convs, name: str, x) -> tf.Tensor:
    activation = backbone.get_layer(f"{name}_depthwise_activation")
    relu = isinstance(activation, keras.layers.ReLU)
    activate = tf.nn.relu if relu else write.hard_swish
    shortcut = x
    if f"{name}_expand_conv" in convs:
        x = activate(write.conv(x, convs[f"{name}_expand_conv"]))
    x = activate(write.depthwise(x, convs[f"{name}_depthwise_conv"]))
    project = convs[f"{name}_project_conv"]
    if f"{name}_se_squeeze" in convs:
        gate = tf.reduce_mean(x, axis=(1, 2), keepdims=True)
        gate = tf.nn.relu(write.conv(gate, convs[f"{name}_se_squeeze"]))
        # clip(slope x + 0.5, 0, 1) is relu6(6 slope x + 3) / 6.
        slope = backbone.get_layer(f"{name}_se_gate").slope
        expand = convs[f"{name}_se_expand"].scaled(6 * slope, 3)
        gate = tf.nn.relu6(write.conv(gate, expand))
        x = write.gated_conv(x, gate, project.taking(6))
    else:
        x = write.conv(x, project)
    residual = any(layer.name == f"{name}_add" for layer in backbone.layers)
    return shortcut + x if residual else x


def _head(write: Writer, model: keras.Model, convs, taps) -> tf.Tensor:
    strides = model.backbone.tap_strides
    x, now = _gated_value(write, model, convs, taps[-1]), strides[-1]
    family = FAMILIES[model.family]
    if family.adds_logits:
        (skip,) = family.skips
        # Classes before the resize, which commutes with a 1x1 convolution: there are
        # fewer of them than channels.
        x = write.conv(x, convs["head_classes_conv"])
        tap = skip.tap(taps)
        if now != skip.tap(strides):
            x = _resize_like(x, tap)
        return x + write.conv(tap, convs["head_skip_classes_conv"])
    before, filters = convs["head_mix_conv"], model.head_filters
    for skip in family.skips:
        tap, stride = skip.tap(taps), skip.tap(strides)
        fuse = convs[f"head_fuse_{skip.stride}_conv"]
        upper, lower = fuse.split(filters)
        x = write.conv(x, upper.after(before))
        if now != stride:
            x = _resize_like(x, tap)
        fine = write.conv(tap, lower.after(convs[f"head_skip_{skip.stride}_conv"]))
        x, now = tf.nn.relu(x + fine), stride
        before = Convolution(np.eye(filters)[None, None], np.zeros(filters))
    return write.conv(x, convs["head_classes_conv"])


def _gated_value(write: Writer, model: keras.Model, convs, deepest) -> tf.Tensor:
    """The deepest tap's features times the sigmoid of its pooled ones."""
    x = tf.nn.relu(write.conv(deepest, convs["head_value_conv"]))
    pool = model.get_layer("head_pool")
    if isinstance(pool, keras.layers.GlobalAveragePooling2D):
        pooled = tf.reduce_mean(deepest, axis=(1, 2), keepdims=True)
        return x * tf.sigmoid(write.conv(pooled, convs["head_gate_conv"]))
    pooled = tf.nn.avg_pool2d(deepest, pool.pool_size, pool.strides, "VALID")
    gate = tf.sigmoid(write.conv(pooled, convs["head_gate_conv"]))
    align_corners = model.get_layer("head_gate_resize").align_corners
    return x * _resize_like(gate, x, align_corners)


def _resize_like(
    x: tf.Tensor, like: tf.Tensor, align_corners: bool = False
) -> tf.Tensor:
    """Resizes bilinearly to the height and width of another tensor."""
    known = None not in like.shape[1:3]
    size = like.shape[1:3] if known else tf.shape(like)[1:3]
    resize = resize_align_corners if align_corners else resize_bilinear
    return resize(x, size)
