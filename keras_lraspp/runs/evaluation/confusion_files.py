"""A confusion matrix on the disk: a table to reckon with, a picture to look at."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.visualize import confusion_picture


def write_confusion(
    counts: np.ndarray, names: Sequence[str], prefix: str | Path
) -> tuple[Path, Path]:
    """Writes `<prefix>.csv` with the counts of pixels and `<prefix>.png`.

    Args:
        counts: Integers (C, C); rows are the truth, columns the prediction.
        names: Name of each class; they head the rows and columns of the table.
        prefix: Path without the ending; one that ends in .csv or .png is taken too.

    Returns:
        The two files.

    Raises:
        InputError: For a prefix without a name.
        StorageError: If they cannot be written.
    """
    prefix = Path(prefix)
    stem = prefix.name.removesuffix(".csv").removesuffix(".png")
    if not stem:
        raise InputError(
            f"{str(prefix)!r} names no file for the confusion matrix; give a path such "
            f"as output/confusion."
        )
    table, picture = (prefix.with_name(stem + ending) for ending in (".csv", ".png"))
    with replacing(table) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["true class", *names])
            for name, row in zip(names, counts.tolist(), strict=True):
                writer.writerow([name, *row])
    with replacing(picture) as temporary:
        Image.fromarray(confusion_picture(counts, names)).save(temporary)
    return table, picture
