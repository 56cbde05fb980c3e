"""What a server can ask of a SavedModel: its signatures, as graph functions."""

from collections.abc import Callable, Sequence

import tensorflow as tf

MAX_PIXELS = 2**24  # of an encoded image; of a larger one the logits fill the memory

Logits = Callable[[tf.Tensor], tf.Tensor]
Labels = Callable[[tf.Tensor], tf.Tensor]


def signatures(
    labels: Labels,
    logits: Logits,
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

    Bytes that are no JPEG or PNG, are damaged or claim more than `MAX_PIXELS` are an
    `INVALID_ARGUMENT` to the caller.

    Args:
        labels: Function of uint8 images to int32 labels.
        logits: Function of uint8 images to float32 logits.
        palette: RGB, 0..255, of each class.
        sides: Fixed height and width of the images; `None` for any.

    Returns:
        The functions by name, for `tf.saved_model.save`.
    """  # noqa: E501
    image = tf.TensorSpec((None, *sides, 3), tf.uint8, name="image")
    image_bytes = tf.TensorSpec((None,), tf.string, name="image_bytes")
    # Held by the graph: as a global it would be captured by each signature anew.
    colors = tf.constant(palette, tf.uint8)

    def decode(content):
        pixels = decode_image(content)
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

    png_specs = {name: tf.TensorSpec((), tf.string) for name in _PNGS}

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


_PNGS = ("label_png_bytes", "color_png_bytes")


def decode_image(content: tf.Tensor) -> tf.Tensor:
    """Decodes a JPEG or PNG in a graph, after a look at its header.

    Args:
        content: Scalar string, the bytes of the file.

    Returns:
        uint8 RGB (H, W, 3). Alpha is dropped, of 16 bits the upper ones are kept, and
        the orientation that a camera noted is not applied.

    Raises:
        tf.errors.InvalidArgumentError: When it runs, for anything else.
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
        lambda: tf.reduce_prod(_big_endian(content, (16, 20))),
    )
    message = f"The image claims more than {MAX_PIXELS} pixels."
    small = tf.logical_and(tf.greater(pixels, 0), tf.less_equal(pixels, MAX_PIXELS))
    content = _where(small, message, content)
    return tf.cond(
        is_jpeg,
        lambda: tf.io.decode_jpeg(content, channels=3, dct_method="INTEGER_ACCURATE"),
        lambda: tf.io.decode_png(content, channels=3),
    )


def _big_endian(content: tf.Tensor, places: Sequence[int]) -> tf.Tensor:
    """Reads unsigned 4-byte numbers at `places`, as int64."""
    words = tf.stack([tf.strings.substr(content, place, 4) for place in places])
    digits = tf.cast(tf.io.decode_raw(words, tf.uint8), tf.int64)
    return tf.reduce_sum(digits * [1 << 24, 1 << 16, 1 << 8, 1], axis=-1)


def _where(condition: tf.Tensor, message: str, value: tf.Tensor) -> tf.Tensor:
    """Passes `value` on if the condition holds when the graph runs."""
    with tf.control_dependencies([tf.debugging.Assert(condition, [message])]):
        return tf.identity(value)
