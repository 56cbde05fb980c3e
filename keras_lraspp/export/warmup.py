"""Requests that TensorFlow Serving runs before it says that a version is there."""

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

WARMUP = Path("assets.extra") / "tf_serving_warmup_requests"


def write_warmup(folder: Path, image: np.ndarray, model: str = "lraspp") -> Path:
    """Writes one request per signature that images are usually sent to.

    The first call of a graph takes a second and more; with these, no user waits for it.

    Args:
        folder: The version's folder.
        image: uint8 RGB (1, H, W, 3), of the size that is to be expected.
        model: Name of the model on the server; the server does not check it.

    Returns:
        The file: a TFRecord of `PredictionLog`.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    encoded = io.BytesIO()
    Image.fromarray(image[0]).save(encoded, "PNG")
    requests = (
        ("serving_default", "image", image),
        ("serve_bytes", "image_bytes", [encoded.getvalue()]),
        ("serve_png", "image_bytes", [encoded.getvalue()]),
    )
    path = folder / WARMUP
    path.parent.mkdir()
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, name, value in requests:
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            writer.write(log.SerializeToString())
    return path


def answers(folder: Path, signatures) -> Iterator[tuple[str, np.ndarray]]:
    """Reads the requests back and runs each: a single bad one stops the server's load.

    Args:
        folder: The version's folder.
        signatures: Functions by name, of the loaded SavedModel.

    Yields:
        Signature, and the labels (1, H, W) that it answered with.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    for record in tf.data.TFRecordDataset(str(folder / WARMUP)):
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
