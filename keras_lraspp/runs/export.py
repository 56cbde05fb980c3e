"""One export: a trained model for another runtime."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_lraspp.export.saved_model import export_saved_model
from keras_lraspp.models.loading import load_weights
from keras_lraspp.runs.classes import find_classes


def export(
    *,
    model: Callable[..., keras.Model],
    weights: str | Path,
    output_dir: str | Path,
    classes: str | int | Sequence[str] | None = None,
    size: Sequence[int] | None = None,
    version: int = 1,
    overwrite: bool = False,
) -> Path:
    """Writes a SavedModel, checked against the model; see `export_saved_model`.

    Args:
        model: Called as `model(num_classes=...)`.
        weights: `.keras` or `.weights.h5` file of the model, trained on any backend.
        output_dir: Folder of all versions.
        classes: As for `predict`.
        size: Fixed (height, width) of images; `None` for any.
        version: Number of the version, the name of its folder.
        overwrite: Whether to replace the version if it is there.

    Returns:
        The folder of the version.

    Raises:
        InputError: For bad weights or arguments, on another backend than TensorFlow,
            or if the version is there.
        ParityError: If the exported model gives other labels than the model.
        StorageError: If `output_dir` cannot be written.
    """
    network = model(num_classes=len(find_classes(classes, weights).names))
    load_weights(network, weights)
    folder = export_saved_model(
        network, output_dir, version=version, size=size, overwrite=overwrite
    )
    print(f"{folder}: a SavedModel, signature serving_default, image -> labels")
    return folder
