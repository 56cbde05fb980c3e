"""A picture of samples as a training sees them."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.data import training_batches
from keras_lraspp.data.run_time_errors import input_errors
from keras_lraspp.data.samples import Samples
from keras_lraspp.files import replacing
from keras_lraspp.runs.datasets import open_dataset
from keras_lraspp.visualize import overlay, with_legend

_MOST_WIDE = 1024  # pixels, of each image
_GAP = 8


def show(
    *,
    dataset: Callable[..., Samples],
    transform: Callable[..., Callable],
    output_path: str | Path,
    data_root: str | Path | None = None,
    split: str = "train",
    samples: int = 4,
    seed: int = 0,
) -> Path:
    """Draws the first samples of a training: each image, and its labels laid over it.

    Args:
        dataset: Called as `dataset(split=..., root=data_root)`; `root` only if given.
        transform: Called as `transform(ignore_label=...)`.
        output_path: The PNG file to write.
        data_root: Folder of the data set, if not the data set's default.
        split: The split to draw from.
        samples: How many.
        seed: Of order and augmentation.

    Returns:
        The file.

    Raises:
        InputError: If the data set cannot be used.
        StorageError: If the file cannot be written.
    """
    listed = open_dataset(dataset, data_root, split)
    with input_errors():
        batches = training_batches(
            listed,
            transform=transform(ignore_label=listed.ignore_label),
            batch_size=samples,
            seed=seed,
        )
        images, labels = next(batches.take(1).as_numpy_iterator())
    output_path = Path(output_path)
    picture = _drawn(images, labels, listed)
    with replacing(output_path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")
    print(f"{samples} augmented samples of {listed.name} {split} are in {output_path}")
    return output_path


def _drawn(images: np.ndarray, labels: np.ndarray, listed: Samples) -> np.ndarray:
    step = -(-images.shape[2] // _MOST_WIDE)
    images, labels = images[:, ::step, ::step], labels[:, ::step, ::step]
    names, palette = listed.classes
    rows = [
        _side_by_side(image, overlay(image, label, palette))
        for image, label in zip(images, labels, strict=True)
    ]
    return with_legend(np.concatenate(rows), labels, names, palette)


def _side_by_side(image: np.ndarray, painted: np.ndarray) -> np.ndarray:
    """Two pictures with a white gap between them and below them."""
    gap = np.full((len(image), _GAP, 3), 255, np.uint8)
    row = np.concatenate([image, gap, painted], axis=1)
    return np.pad(row, ((0, _GAP), (0, 0), (0, 0)), constant_values=255)
