"""Image and label of one sample, decoded by TensorFlow where that gives the same."""

from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.image_checks import size_mismatch
from keras_lraspp.data.label_values import (
    classes_of_values,
    explain_illegal,
    illegal_values,
)
from keras_lraspp.data.opening import open_image
from keras_lraspp.data.reading import read_image, read_label
from keras_lraspp.errors import InputError


def load_sample(
    image_path: Path, label_path: Path, dataset: Dataset
) -> tuple[tf.Tensor | np.ndarray, np.ndarray]:
    """Reads an image and its label, and checks that they belong together.

    Pixels are those of `read_image(path, apply_exif=False)` and `read_label`. The
    usual kinds are decoded by TensorFlow, which is faster than Pillow.

    Args:
        image_path: The image file.
        label_path: Its label file.
        dataset: Says what the label's values mean.

    Returns:
        uint8 (height, width, 3), and classes (height, width) of `label_dtype(dataset)`.

    Raises:
        InputError: If a file cannot be used, the sizes differ, or a label is neither a
            class nor ignored.
    """
    image = _load_image(image_path)
    label = _load_label(label_path, dataset)
    mismatch = size_mismatch(image_path, image.shape[:2], label_path, label.shape)
    if mismatch:
        raise InputError(mismatch)
    wrong = illegal_values(label, dataset)
    if wrong:
        raise InputError(explain_illegal(wrong, [label_path], dataset))
    return image, label.astype(label_dtype(dataset), copy=False)


def label_dtype(dataset: Dataset) -> type[np.uint8] | type[np.int32]:
    """The type of a data set's labels: uint8 if its classes and ignore label fit."""
    ignored = 0 if dataset.ignore_label is None else dataset.ignore_label
    fits = dataset.num_classes <= 256 and 0 <= ignored <= 255
    return np.uint8 if fits else np.int32


def _load_image(path: Path) -> tf.Tensor | np.ndarray:
    with open_image(path) as header:
        kind = _kind(header)
    try:
        if kind == ("PNG", "RGB", "RGB"):
            return tf.io.decode_png(path.read_bytes(), channels=3)
        if kind == ("JPEG", "RGB", "RGB"):
            # Pillow's way of computing the cosine transform.
            return tf.io.decode_jpeg(
                path.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE"
            )
    except tf.errors.InvalidArgumentError:
        pass  # Pillow names the fault
    return read_image(path, apply_exif=False)


def _load_label(path: Path, dataset: Dataset) -> np.ndarray:
    with open_image(path) as header:
        kind = _kind(header)
    if kind == ("PNG", "L", "L"):
        try:
            values = tf.io.decode_png(path.read_bytes(), channels=1)
        except tf.errors.InvalidArgumentError:
            pass  # Pillow names the fault
        else:
            return classes_of_values(path, np.asarray(values)[..., 0], dataset)
    return read_label(path, dataset)


def _kind(header: Image.Image) -> tuple:
    """Format, mode, and what the file itself holds ("RGB;16B", "L;4", ...)."""
    raw = header.tile[0][3] if header.tile else None
    if isinstance(raw, tuple):
        raw = raw[0] if raw else None
    return header.format, header.mode, raw
