"""TensorFlow SavedModels, as TensorFlow Serving loads them."""

import io
import json
import math
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
    Sides,
    choose_contents,
    inference_graph,
    require_tensorflow,
)
from keras_lraspp.export.metadata import ASSET, DECODED_FILES
from keras_lraspp.export.parity import (
    ParityReport,
    check_agreement,
    check_parity,
    draw_image,
    drawn_sizes,
)
from keras_lraspp.files import put_in_place, staging
from keras_lraspp.models.lraspp import LRASPP

# Pixels of a request; the logits of more fill the memory. Each side counts as 128 at
# least: each image takes time of its own, and thin ones take more memory.
MAX_REQUEST_PIXELS = 2**24
_SMALLEST_COUNTED_SIDE = 128

# What takes seconds in a small file: more scans of a JPEG than any encoder writes, and
# compressed comments of a PNG, each of them 8 MB and a tenth of a second.
_MAX_SCANS, _MAX_COMMENTS = 64, 16

_Shape = tuple[int | None, int | None, int]  # of an image

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
        model: An `LRASPP`, or another model that takes uint8 pixels (B, H, W, C) and
            returns logits (B, H, W, classes).
        folder: The folder of all versions.
        version: Number of this one, at least 1.
        size: Fixed (height, width) of images; `None` for any size that `model` takes.
        classes: Names and colours of the classes.
        variant: Name of the network.
        images: More images to compare on, uint8 (H, W, C).
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
    size = drawn_sizes(contents.model, contents.sides)[0]
    image = draw_image(*size, contents.channels)
    try:
        _write_warmup(path, image)
    except tf.errors.OpError as error:
        raise StorageError(f"Cannot write {path}: {error.message}.") from error
    return _check(contents, path, images, image)


def _save(contents: FileContents, path: Path) -> None:
    model, _, sides, about = contents
    if None not in sides and math.prod(sides) > MAX_REQUEST_PIXELS:
        raise InputError(
            f"size is {sides}, more than the {MAX_REQUEST_PIXELS} pixels that a "
            f"SavedModel takes in a request; choose a smaller one."
        )
    # One graph for all: its weights are in the file once. What a signature does not
    # return is cut off when it is loaded.
    graph = inference_graph(model, "tensorflow", ("labels", "logits"), sides)
    functions = signatures(
        lambda image: graph(image)["labels"],
        lambda image: graph(image)["logits"],
        about.classes.palette,
        sides,
        about.smallest_side,
        contents.channels,
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
    smallest_side: int = 1,
    channels: int = 3,
) -> dict[str, tf.types.experimental.GenericFunction]:
    """Makes the signatures of a model.

    | name | takes | returns |
    |---|---|---|
    | `serving_default` | `image`, uint8 (B, H, W, C) | `labels`, int32 (B, H, W) |
    | `logits` | the same | `logits`, float32 (B, H, W, classes) |
    | `serve_bytes` | `image_bytes`, JPEG or PNG files of one size (B,) | `labels`, and for each image a PNG of its labels, `label_png_bytes`, and one in the classes' colours, `color_png_bytes` |
    | `serve_png` | the same, of any sizes | the two PNGs only: a small answer in JSON |

    The graph itself checks what it is given, as not every server compares it with the
    signature. Another shape, no image, more than `MAX_REQUEST_PIXELS`, and bytes that
    are no JPEG or PNG or damaged are an `INVALID_ARGUMENT` to the caller.

    For one channel, files are made grey; for four they are PNGs of RGBA. For other
    numbers than 1, 3 and 4 TensorFlow decodes no files: the last two are left out.
    """  # noqa: E501
    shape = (*sides, channels)
    image = tf.TensorSpec((None, *shape), tf.uint8, name="image")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Held by the graph: as a global it would be captured by each signature anew.
    colors = tf.constant(palette, tf.uint8)

    def decode(content):
        return tf.ensure_shape(_decode_image(content, channels), shape)

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
        return {"labels": labels(_checked_images(image, shape, smallest_side))}

    @tf.function(input_signature=[image], autograph=False)
    def logits_signature(image):
        return {"logits": logits(_checked_images(image, shape, smallest_side))}

    arrays = {"serving_default": serving_default, "logits": logits_signature}
    if channels not in DECODED_FILES:
        return arrays

    @tf.function(input_signature=[image_bytes], autograph=False)
    def serve_bytes(image_bytes):
        files = _checked_files(image_bytes, shape, smallest_side)
        spec = tf.TensorSpec(shape, tf.uint8)
        found = labels(tf.map_fn(decode, files, fn_output_signature=spec))
        encoded = tf.map_fn(pngs, found, fn_output_signature=png_specs)
        return {"labels": found, **encoded}

    @tf.function(input_signature=[image_bytes], autograph=False)
    def serve_png(image_bytes):
        def one(content):
            return pngs(labels(decode(content)[None])[0])

        files = _checked_files(image_bytes, shape, smallest_side)
        return tf.map_fn(one, files, fn_output_signature=png_specs)

    return {**arrays, "serve_bytes": serve_bytes, "serve_png": serve_png}


def _checked_images(image: tf.Tensor, shape: _Shape, smallest: int) -> tf.Tensor:
    image = _of_shape("image", image, (None, *shape))
    batch, height, width, _ = tf.unstack(tf.shape(image, tf.int64))
    return _of_sides(image, batch, [[height, width]], shape[:2], smallest)


def _checked_files(content: tf.Tensor, shape: _Shape, smallest: int) -> tf.Tensor:
    """Looks at the headers of all files, so that nothing is decoded if one is bad."""
    content = _of_shape("image_bytes", content, (None,))
    most = MAX_REQUEST_PIXELS // _SMALLEST_COUNTED_SIDE**2
    message = f"A request has at most {most} images, not"
    content = _where(tf.size(content) <= most, message, content, tf.size(content))
    spec = tf.TensorSpec((2,), tf.int64)
    claimed = tf.map_fn(
        lambda one: _claimed_sides(one, shape[2]), content, fn_output_signature=spec
    )
    return _of_sides(content, 1, claimed, shape[:2], smallest)


def _of_shape(name: str, value: tf.Tensor, shape: tuple) -> tf.Tensor:
    """Passes a value of this shape on that is not empty."""
    # Forgets the declared shape, which optimizers of graphs take for the real one:
    # they would drop the check.
    value = tf.raw_ops.PlaceholderWithDefault(input=value, shape=None, name=name)
    value = tf.ensure_shape(value, shape)
    message = f"{name} is empty, of the shape"
    return _where(tf.size(value) > 0, message, value, tf.shape(value))


def _of_sides(value, times, claimed, sides: Sides, smallest: int) -> tf.Tensor:
    """Passes `value` on if its images' heights and widths (N, 2) may be."""
    claimed = tf.convert_to_tensor(claimed)
    wanted = [-1 if side is None else side for side in sides]
    same = tf.logical_or(tf.equal(claimed, wanted), tf.equal(wanted, -1))
    message = "The image has another size than the model was exported for:"
    value = _where(tf.reduce_all(same), message, value, claimed)
    message = f"The smallest side of an image is {smallest}, not of"
    value = _where(tf.reduce_all(claimed >= smallest), message, value, claimed)
    counted = tf.reduce_prod(tf.maximum(claimed, _SMALLEST_COUNTED_SIDE), -1)
    message = (
        f"A request has at most {MAX_REQUEST_PIXELS} pixels, each side counted as "
        f"{_SMALLEST_COUNTED_SIDE} at least, not"
    )
    pixels = times * tf.reduce_sum(counted)
    return _where(pixels <= MAX_REQUEST_PIXELS, message, value, pixels)


def _claimed_sides(content: tf.Tensor, channels: int) -> tf.Tensor:
    """Reads height and width, int64 (2,), from the header of a JPEG or PNG.

    A file that would take long to decode, or too small for them, is refused.
    """
    length = tf.strings.length(content)
    # The signature, and the header that must follow it, which ends at byte 33.
    start = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
    is_png = tf.equal(tf.strings.substr(content, 0, 16), start) & (length >= 33)
    known = tf.logical_or(_is_jpeg(content), is_png)
    message = "image_bytes is neither a JPEG nor a PNG file."
    if channels == 4:  # alpha would be made up for others
        known = is_png & tf.equal(tf.strings.substr(content, 25, 1), b"\x06")
        message = "image_bytes is no PNG file of four channels, RGBA."
    content = _where(known, message, content)
    claimed, fewest = tf.cond(
        is_png, lambda: _png_header(content), lambda: _jpeg_header(content)
    )
    message = "The image is damaged: it has fewer bytes than its pixels need."
    return _where(tf.cast(length, tf.int64) >= fewest, message, claimed)


def _jpeg_header(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns height and width, and the fewest bytes that can hold the pixels."""
    claimed = tf.cast(tf.image.extract_jpeg_shape(content)[:2], tf.int64)
    scans = _count(b"\xff\xda\0", content)
    claimed = _where(
        scans <= _MAX_SCANS, "The image has too many scans:", claimed, scans
    )
    # A bit at least for each block of 8x8 pixels.
    return claimed, tf.reduce_prod(claimed) // (8 * 64)


def _png_header(content: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    header = tf.io.decode_raw(tf.strings.substr(content, 16, 10), tf.uint8)
    header = tf.cast(header, tf.int64)
    places = tf.constant([1 << 24, 1 << 16, 1 << 8, 1], tf.int64)
    width, height = tf.unstack(tf.reshape(header[:8], (2, 4)) @ places[:, None])
    # Of four bytes each: their product might overflow.
    claimed = tf.minimum(tf.concat([height, width], 0), MAX_REQUEST_PIXELS + 1)
    still = tf.equal(_count(b"acTL", content), 0)
    claimed = _where(still, "The image is animated.", claimed)
    comments = _count(b"TXt", content)  # zTXt and iTXt
    message = "The image has too many compressed comments:"
    claimed = _where(comments <= _MAX_COMMENTS, message, claimed, comments)
    channels = tf.gather(tf.constant([1, 0, 3, 1, 2, 0, 4], tf.int64), header[9])
    # A row has a byte more; deflate makes at most 1032 bytes of one.
    row = 1 + claimed[1] * header[8] * channels // 8
    return claimed, claimed[0] * row // 1032


def _count(part: bytes, content: tf.Tensor) -> tf.Tensor:
    found = tf.raw_ops.StringSplitV2(input=[content], sep=part)
    return tf.size(found.values) - 1


def _is_jpeg(content: tf.Tensor) -> tf.Tensor:
    return tf.equal(tf.strings.substr(content, 0, 3), b"\xff\xd8\xff")


def _decode_image(content: tf.Tensor, channels: int) -> tf.Tensor:
    """Decodes the bytes of a JPEG or PNG in a graph; its header was looked at.

    Returns uint8 (H, W, channels): RGB, grey of 1 channel or RGBA of 4. Alpha is else
    dropped, of 16 bits the upper ones are kept, and the orientation that a camera noted
    is not applied. A damaged one is an InvalidArgumentError when it runs.
    """
    if channels == 4:
        return tf.io.decode_png(content, channels=4)
    accurate = {"channels": channels, "dct_method": "INTEGER_ACCURATE"}
    return tf.cond(
        _is_jpeg(content),
        lambda: tf.io.decode_jpeg(content, **accurate),
        lambda: tf.io.decode_png(content, channels=channels),
    )


def _where(condition: tf.Tensor, message: str, value: tf.Tensor, *seen) -> tf.Tensor:
    """Passes `value` on if the condition holds when the graph runs."""
    data = [message, *seen]
    check = tf.raw_ops.Assert(condition=condition, data=data, summarize=8)
    with tf.control_dependencies([check]):
        return tf.identity(value)


def _write_warmup(folder: Path, image: np.ndarray) -> None:
    """Writes one request per signature that images are usually sent to.

    The first call of a graph takes a second and more; with these, no user waits for it.
    """
    from tensorflow_serving.apis import prediction_log_pb2

    requests = [("serving_default", "image", image)]
    if image.shape[-1] in DECODED_FILES:
        encoded = io.BytesIO()
        Image.fromarray(image[0].squeeze()).save(encoded, "PNG")
        for name in ("serve_bytes", "serve_png"):
            requests.append((name, "image_bytes", [encoded.getvalue()]))
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
