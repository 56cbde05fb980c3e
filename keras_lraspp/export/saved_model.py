"""TensorFlow SavedModels, as TensorFlow Serving loads them."""

import io
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.graph import (
    FileContents,
    choose_contents,
    inference_graph,
    require_tensorflow,
)
from keras_lraspp.export.metadata import ASSET
from keras_lraspp.export.parity import (
    ParityReport,
    check_agreement,
    check_parity,
    draw_image,
    drawn_sizes,
)
from keras_lraspp.files import put_in_place, staging
from keras_lraspp.models.lraspp import LRASPP

# Pixels of an encoded image; of a larger one the logits fill the memory.
MAX_ENCODED_PIXELS = 2**24

_WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"


def export_saved_model(
    model: keras.Model,
    folder: str | Path,
    *,
    version: int = 1,
    size: Sequence[int] | None = None,
    classes: ClassSet,
    variant: str | None = None,
    images: Iterable[np.ndarray] = (),
    overwrite: bool = False,
) -> ParityReport:
    """Writes `<folder>/<version>/`, a SavedModel from uint8 images to labels.

    Its signatures are those of `signatures`. Classes and colours
    are in `assets/keras_lraspp.json`, requests to warm up with in `assets.extra/`. It
    is written beside, loaded again, compared with the model and renamed at the end, so
    that a server which watches `folder` sees a whole version or none.

    Args:
        model: An `LRASPP`, or another model that takes uint8 pixels (B, H, W, 3) and
            returns logits (B, H, W, classes).
        folder: The folder of all versions.
        version: Number of this one, at least 1.
        size: Fixed (height, width) of images; `None` for any size that `model` takes.
        classes: Names and colours of the classes.
        variant: Name of the network.
        images: More images to compare on, uint8 RGB (H, W, 3).
        overwrite: Whether to replace this version if it is there.

    Returns:
        How the SavedModel compares with the model.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            version is there.
        ParityError: If the SavedModel gives other labels than the model.
        StorageError: If it cannot be written.
    """
    require_tensorflow("A SavedModel")
    check_version(version)
    contents = choose_contents(model, ("labels", "logits"), size, classes, variant)
    target = Path(folder) / str(version)
    if target.exists() and not overwrite:
        raise InputError(
            f"{target} is there already; choose another version or --overwrite."
        )
    with staging(target.parent) as hidden:
        # One deeper: the hidden folder itself is closed to other users.
        report = write_saved_model(contents, hidden / target.name, images)
        put_in_place(hidden / target.name, target)
    return replace(report, path=target)


def check_version(version: int) -> None:
    """Raises InputError for what is no version of a SavedModel."""
    if not isinstance(version, int) or version < 1:
        raise InputError(f"version is a whole number from 1, not {version!r}.")


def write_saved_model(
    contents: FileContents, path: Path, images: Iterable[np.ndarray]
) -> ParityReport:
    """Writes the folder of a SavedModel, inside one of `staging`, and compares it."""
    _save(contents, path)
    image = draw_image(*drawn_sizes(contents.model, contents.sides)[0])
    try:
        _write_warmup(path, image)
    except tf.errors.OpError as error:
        raise StorageError(f"Cannot write {path}: {error.message}.") from error
    return _check(contents, path, images, image)


def _save(contents: FileContents, path: Path) -> None:
    model, _, sides, about = contents
    # One graph for all: its weights are in the file once. What a signature does not
    # return is cut off when it is loaded.
    graph = inference_graph(model, "tensorflow", ("labels", "logits"), sides)
    functions = signatures(
        lambda image: graph(image)["labels"],
        lambda image: graph(image)["logits"],
        about.classes.palette,
        sides,
    )
    asset = path.with_name(ASSET)
    entries = json.dumps(about.entries(), indent=1, ensure_ascii=False)
    asset.write_text(entries, encoding="utf-8")
    module = tf.Module()
    module.card = tf.saved_model.Asset(str(asset))
    if not isinstance(model, LRASPP):  # whose weights are constants of the graph
        module.weights = [variable.value for variable in model.variables]
    try:
        tf.saved_model.save(module, str(path), signatures=functions)
    except tf.errors.OpError as error:  # of the file system: a full disk, say
        raise OSError(error.message) from error


def _check(contents: FileContents, path: Path, images, image) -> ParityReport:
    loaded = tf.saved_model.load(str(path))  # its functions hold no reference to it
    functions = loaded.signatures

    def labels(picture):
        found = functions["serving_default"](image=tf.constant(picture))
        return found["labels"].numpy()

    def logits(picture):
        return functions["logits"](image=tf.constant(picture))["logits"].numpy()

    report = check_parity(
        contents.model,
        labels,
        logits,
        sides=contents.sides,
        images=images,
        path=path,
        format="saved_model",
        runtime=f"tensorflow {tf.__version__}",
    )
    scores = contents.model(image, training=False)
    expected = keras.ops.convert_to_numpy(scores).argmax(-1)
    for name, answer in _warmup_answers(path, functions):
        check_agreement(expected, answer, f"The signature {name} for {path}")
    return report


def signatures(
    labels: Callable[[tf.Tensor], tf.Tensor],
    logits: Callable[[tf.Tensor], tf.Tensor],
    palette: Sequence[tuple[int, int, int]],
    sides: tuple[int | None, int | None] = (None, None),
) -> dict[str, tf.types.experimental.GenericFunction]:
    """Makes the signatures of a model.

    | name | takes | returns |
    |---|---|---|
    | `serving_default` | `image`, uint8 (B, H, W, 3) | `labels`, int32 (B, H, W) |
    | `logits` | the same | `logits`, float32 (B, H, W, classes) |
    | `serve_bytes` | `image_bytes`, JPEG or PNG files of one size (B,) | `labels`, and for each image a PNG of its labels, `label_png_bytes`, and one in the classes' colours, `color_png_bytes` |
    | `serve_png` | the same, of any sizes | the two PNGs only: a small answer in JSON |

    Bytes that are no JPEG or PNG, are damaged or claim more than `MAX_ENCODED_PIXELS`
    are an `INVALID_ARGUMENT` to the caller.
    """  # noqa: E501
    image = tf.TensorSpec((None, *sides, 3), tf.uint8, name="image")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Held by the graph: as a global it would be captured by each signature anew.
    colors = tf.constant(palette, tf.uint8)

    def decode(content):
        pixels = _decode_image(content)
        wrong = "The image has another size than the model was exported for."
        for side, wanted in zip(tf.unstack(tf.shape(pixels)[:2]), sides, strict=True):
            if wanted is not None:
                pixels = _where(tf.equal(side, wanted), wrong, pixels)
        pixels.set_shape((*sides, 3))
        return pixels

    def pngs(one):
        narrow = tf.cast(one, tf.uint8 if len(palette) <= 256 else tf.uint16)
        return {
            "label_png_bytes": tf.io.encode_png(narrow[..., None]),
            "color_png_bytes": tf.io.encode_png(tf.gather(colors, one)),
        }

    names = ("label_png_bytes", "color_png_bytes")
    png_specs = {name: tf.TensorSpec((), tf.string) for name in names}

    @tf.function(input_signature=[image], autograph=False)
    def serving_default(image):
        return {"labels": labels(image)}

    @tf.function(input_signature=[image], autograph=False)
    def logits_signature(image):
        return {"logits": logits(image)}

    @tf.function(input_signature=[image_bytes], autograph=False)
    def serve_bytes(image_bytes):
        spec = tf.TensorSpec((*sides, 3), tf.uint8)
        images = tf.map_fn(decode, image_bytes, fn_output_signature=spec)
        found = labels(images)
        encoded = tf.map_fn(pngs, found, fn_output_signature=png_specs)
        return {"labels": found, **encoded}

    @tf.function(input_signature=[image_bytes], autograph=False)
    def serve_png(image_bytes):
        def one(content):
            return pngs(labels(decode(content)[None])[0])

        return tf.map_fn(one, image_bytes, fn_output_signature=png_specs)

    return {
        "serving_default": serving_default,
        "logits": logits_signature,
        "serve_bytes": serve_bytes,
        "serve_png": serve_png,
    }


def _decode_image(content: tf.Tensor) -> tf.Tensor:
    """Decodes the bytes of a JPEG or PNG in a graph, after a look at its header.

    Returns uint8 RGB (H, W, 3). Alpha is dropped, of 16 bits the upper ones are kept,
    and the orientation that a camera noted is not applied. Anything else is an
    InvalidArgumentError when it runs.
    """
    is_jpeg = tf.equal(tf.strings.substr(content, 0, 3), b"\xff\xd8\xff")
    # The signature, and the header that must follow it, which ends at byte 33.
    is_png = tf.logical_and(
        tf.equal(tf.strings.substr(content, 0, 8), b"\x89PNG\r\n\x1a\n"),
        tf.greater_equal(tf.strings.length(content), 33),
    )
    known = tf.logical_or(is_jpeg, is_png)
    content = _where(known, "image_bytes is neither a JPEG nor a PNG file.", content)
    pixels = tf.cond(
        is_jpeg,
        lambda: tf.reduce_prod(
            tf.cast(tf.image.extract_jpeg_shape(content)[:2], tf.int64)
        ),
        lambda: tf.reduce_prod(_png_sides(content)),
    )
    message = f"The image claims more than {MAX_ENCODED_PIXELS} pixels."
    small = tf.logical_and(
        tf.greater(pixels, 0), tf.less_equal(pixels, MAX_ENCODED_PIXELS)
    )
    content = _where(small, message, content)
    return tf.cond(
        is_jpeg,
        lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(content, channels=3),
    )


def _png_sides(content: tf.Tensor) -> tf.Tensor:
    """Reads two unsigned big-endian numbers of 4 bytes, as int64."""
    words = tf.stack([tf.strings.substr(content, place, 4) for place in (16, 20)])
    digits = tf.cast(tf.io.decode_raw(words, tf.uint8), tf.int64)
    return tf.reduce_sum(digits * [1 << 24, 1 << 16, 1 << 8, 1], axis=-1)


def _where(condition: tf.Tensor, message: str, value: tf.Tensor) -> tf.Tensor:
    """Passes `value` on if the condition holds when the graph runs."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(value)


def _write_warmup(folder: Path, image: np.ndarray) -> None:
    """Writes one request per signature that images are usually sent to.

    The first call of a graph takes a second and more; with these, no user waits for it.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    encoded = io.BytesIO()
    Image.fromarray(image[0]).save(encoded, "PNG")
    requests = (
        ("serving_default", "image", image),
        ("serve_bytes", "image_bytes", [encoded.getvalue()]),
        ("serve_png", "image_bytes", [encoded.getvalue()]),
    )
    path = folder / _WARMUP
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, name, value in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = "lraspp"  # which the server does not check
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())


def _warmup_answers(folder: Path, signatures) -> Iterator[tuple[str, np.ndarray]]:
    """Yields signature and labels (1, H, W) of each request.

    A single bad one stops the server's load.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    for record in tf.data.TFRecordDataset(str(folder / _WARMUP)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        name = request.model_spec.signature_name
        inputs = {
            key: tf.constant(tf.make_ndarray(value))
            for key, value in request.inputs.items()
        }
        found = signatures[name](**inputs)
        if "labels" in found:
            yield name, found["labels"].numpy()
        if "label_png_bytes" in found:
            content = found["label_png_bytes"].numpy()[0]
            yield name, np.asarray(Image.open(io.BytesIO(content)))[None]
