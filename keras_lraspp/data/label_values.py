"""From what a label file holds to classes, and what is wrong with a wrong value."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from keras_lraspp.data.dataset import Dataset
from keras_lraspp.data.pairing import some
from keras_lraspp.errors import InputError

_CITYSCAPES_IDS = range(34)


def classes_of_values(path, values: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Applies the data set's `label_lookup`, if it has one.

    Args:
        path: The label file, for the message.
        values: Integers (height, width) as the file holds them.
        dataset: The data set.

    Returns:
        Classes (height, width): uint8, or int32 if a class or value needs more.

    Raises:
        InputError: If the lookup ends before a value.
    """
    if dataset.label_lookup is None:
        return _narrow(values)
    table = np.asarray(dataset.label_lookup, np.int32)
    bytes_only = table.min() >= 0 and table.max() <= 255
    if values.dtype == np.uint8 and table.size == 256 and bytes_only:
        # Faster than indexing.
        translated = values.tobytes().translate(table.astype(np.uint8).tobytes())
        return np.frombuffer(translated, np.uint8).reshape(values.shape)
    if values.max() >= table.size:
        raise InputError(
            f"The label {path} holds {some(np.unique(values[values >= table.size]))}, "
            f"but label_lookup ends at {table.size - 1}; lengthen it."
        )
    return _narrow(table[values])


def classes_of_colors(path, pixels: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Translates an RGB mask by the data set's `color_map`.

    Args:
        path: The label file, for the message.
        pixels: uint8 (height, width, 3).
        dataset: The data set.

    Returns:
        Classes (height, width): uint8, or int32 if a class needs more.

    Raises:
        InputError: If there is no color map, or it leaves out a colour of the mask.
    """
    if not dataset.color_map:
        raise InputError(
            f"The label {path} is an RGB picture, where one channel with the class of "
            "each pixel is expected; convert it, or say what its colours mean with "
            "FileList.color_map = [(red, green, blue, class), ...]."
        )
    codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
    rows = sorted(
        (row.red << 16 | row.green << 8 | row.blue, row.label)
        for row in dataset.color_map
    )
    known = np.array([code for code, _ in rows], np.int32)
    place = np.minimum(np.searchsorted(known, codes), len(known) - 1)
    wrong = known[place] != codes
    if wrong.any():
        colors = np.unique(pixels[wrong], axis=0)
        raise InputError(
            f"The label {path} has {len(colors)} colours that color_map does not know: "
            f"{some(tuple(color.tolist()) for color in colors)}; add them to it."
        )
    return _narrow(np.array([label for _, label in rows], np.int32)[place])


def illegal_values(labels: np.ndarray, dataset: Dataset) -> list[int]:
    """Values in `labels` that are neither a class nor the ignore label."""
    wrong = labels >= dataset.num_classes
    if labels.dtype.kind == "i":
        wrong |= labels < 0
    if dataset.ignore_label is not None:
        wrong &= labels != dataset.ignore_label
    return np.unique(labels[wrong]).tolist() if wrong.any() else []


def explain_illegal(values: Iterable[int], files: Iterable[Path], dataset: Dataset):
    """Says which values are wrong, where, and what most likely mends it."""
    values = sorted(values)
    ignored = "nothing" if dataset.ignore_label is None else dataset.ignore_label
    return (
        f"Label values {some(values)} are neither a class "
        f"(0..{dataset.num_classes - 1}) nor ignored ({ignored}) in {some(files)}; "
        f"{_mend(values, dataset)}."
    )


def _mend(values: list[int], dataset: Dataset) -> str:
    if values == [255] and dataset.ignore_label is None:
        return "set ignore_label=255 if those pixels are to be ignored"
    if dataset.num_classes == 19 and set(values) <= {*_CITYSCAPES_IDS, 255}:
        return (
            "they look like Cityscapes' labelIds where trainIds are expected: map them "
            'with label_lookup="cityscapes", or use *_labelTrainIds.png files'
        )
    return "raise num_classes, map them with label_lookup, or correct the files"


def _narrow(values: np.ndarray) -> np.ndarray:
    if values.dtype == np.uint8:
        return values
    small = values.size == 0 or 0 <= values.min() and values.max() <= 255
    return values.astype(np.uint8 if small else np.int32)
