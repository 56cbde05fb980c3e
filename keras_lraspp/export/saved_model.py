"""TensorFlow SavedModels, as TensorFlow Serving loads them."""

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.export.parity import check_agreement, check_image
from keras_lraspp.files import TEMPORARY_PREFIX


def export_saved_model(
    model: keras.Model,
    folder: str | Path,
    *,
    version: int = 1,
    size: Sequence[int] | None = None,
    overwrite: bool = False,
) -> Path:
    """Writes `<folder>/<version>/`, a SavedModel from uint8 images to labels.

    The signature `serving_default` takes `image`, uint8 RGB (B, H, W, 3), and returns
    `labels`, int32 (B, H, W). It is written beside, loaded again and compared with the
    model, and renamed at the end, so that a server which watches `folder` sees a whole
    version or none.

    Args:
        model: Takes uint8 pixels (B, H, W, 3), returns logits (B, H, W, classes).
        folder: The folder of all versions.
        version: Number of this one, at least 1.
        size: Fixed (height, width) of images; `None` for any size that `model` takes.
        overwrite: Whether to replace this version if it is there.

    Returns:
        The version's folder.

    Raises:
        InputError: On another backend than TensorFlow, for bad arguments, or if the
            version is there.
        ParityError: If the SavedModel gives other labels than the model.
        StorageError: If it cannot be written.
    """
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise InputError(
            f"A SavedModel is written by TensorFlow, not {backend}: set "
            f"KERAS_BACKEND=tensorflow. Weights from any backend load there."
        )
    if not isinstance(version, int) or version < 1:
        raise InputError(f"version is a whole number from 1, not {version!r}.")
    sides = _sides(model, size)
    target = Path(folder) / str(version)
    if target.exists() and not overwrite:
        raise InputError(
            f"{target} is there already; choose another version or --overwrite."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=target.parent)
        try:
            # One deeper: the temporary folder itself is closed to other users.
            written = Path(temporary) / target.name
            _save(model, written, sides)
            _check(model, written, sides)
            _put_in_place(written, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise StorageError(
            f"Cannot write {target}: {error.strerror or error}. Free some space or "
            f"choose another folder."
        ) from error
    return target


def _save(model: keras.Model, path: Path, sides: tuple) -> None:
    import tensorflow as tf

    image = tf.TensorSpec((None, *sides, 3), tf.uint8, name="image")

    @tf.function(input_signature=[image], autograph=False)
    def serving_default(image):
        logits = model(image, training=False)
        return {"labels": tf.argmax(logits, axis=-1, output_type=tf.int32)}

    module = tf.Module()
    module.weights = [variable.value for variable in model.variables]
    try:
        tf.saved_model.save(
            module, str(path), signatures={"serving_default": serving_default}
        )
    except tf.errors.OpError as error:  # of the file system: a full disk, say
        raise OSError(error.message) from error


def _check(model: keras.Model, path: Path, sides: tuple) -> None:
    import tensorflow as tf

    signature = tf.saved_model.load(str(path)).signatures["serving_default"]
    for height, width in _check_sizes(model, sides):
        image = check_image(height, width)
        logits = keras.ops.convert_to_numpy(model(image, training=False))
        found = signature(image=tf.constant(image))["labels"].numpy()
        check_agreement(np.argmax(logits, axis=-1), found, "The SavedModel")


def _check_sizes(model: keras.Model, sides: tuple) -> list[tuple[int, int]]:
    """Returns the fixed size, or two odd ones."""
    smallest = getattr(model, "smallest_side", 1)
    heights, widths = max(smallest, 97), max(smallest, 161)
    sizes = [
        (sides[0] or heights + grown, sides[1] or widths + grown) for grown in (0, 30)
    ]
    return sizes[:1] if None not in sides else sizes


def _put_in_place(written: Path, target: Path) -> None:
    """Renames a folder, which cannot replace another one in a single step."""
    replaced = written.parent / "replaced"
    if target.exists():
        os.replace(target, replaced)
    try:
        os.replace(written, target)
    except OSError:
        if replaced.exists():
            os.replace(replaced, target)
        raise


def _sides(model: keras.Model, size: Sequence[int] | None) -> tuple:
    """Returns height and width for the signature, `None` where they may vary."""
    own = tuple(model.input_shape[1:3])
    if size is None:
        return own
    sides = tuple(size)
    smallest = getattr(model, "smallest_side", 1)
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
