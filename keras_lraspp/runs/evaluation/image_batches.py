"""Batches for an evaluation, with labels or without."""

from collections.abc import Iterable, Iterator
from contextlib import closing

import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset, Samples
from keras_lraspp.images import read_image
from keras_lraspp.parallel import map_threads


def batches_of(images: Samples, batch_size: int) -> Iterable:
    """Returns each image once, in order.

    Args:
        images: Data set, with labels or without.
        batch_size: Images in a batch. Without labels one by one.

    Returns:
        Pairs of uint8 images (B, H, W, 3) and labels (B, H, W), or `None`.
    """
    if images.labelled:
        return evaluation_batches(images, batch_size=batch_size)
    return _without_labels(images)


def _without_labels(images: Dataset) -> Iterator[tuple[np.ndarray, None]]:
    with closing(map_threads(_read, images.images)) as pictures:
        for _, picture in pictures:
            yield picture.result()[None], None


def _read(path) -> np.ndarray:
    return read_image(path, apply_exif=False)
