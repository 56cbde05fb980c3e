"""Cityscapes server submissions, and files of the confusion matrix."""

import contextlib
import csv
import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.classes import CLASS_SETS, cityscapes_train_to_id
from keras_lraspp.data.dataset import Dataset, SegmentationDataset
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.visualize import confusion_picture

_IMAGE_NAME = re.compile(r"(.+_\d{6}_\d{6})_leftImg8bit\.png")


def check_submission(dataset: SegmentationDataset, path: str | Path) -> None:
    """Raises `InputError` if predictions for a data set cannot be submitted."""
    if Path(path).suffix != ".zip":
        raise InputError(f"--submission is a .zip file, not {path}; rename it.")
    if dataset.classes.names != CLASS_SETS["cityscapes"].names:
        raise InputError(
            f"A submission is for Cityscapes' 19 classes, which {dataset.name} has "
            f"not; leave out --submission."
        )
    if not isinstance(dataset, Dataset):
        raise InputError(
            f"A submission is named after Cityscapes' image files, which "
            f"{dataset.name} has not; evaluate Cityscapes itself, or leave out "
            f"--submission."
        )
    for image in dataset.images:
        _prediction_name(image)


@contextlib.contextmanager
def writing_submission(
    dataset: Dataset, path: str | Path
) -> Iterator[Callable[[np.ndarray], None]]:
    """Writes a `.zip` of labelId PNGs, one per image, crash-safely.

    The server finds a prediction by the start of its name, city, sequence and frame:
    `berlin_000000_000019_labelIds.png`. The pictures lie side by side in the archive.
    Yields a function that takes the trainIds of the next images, (B, H, W).
    """
    ids = cityscapes_train_to_id()
    images = iter(dataset.images)
    with replacing(Path(path)) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:

            def write(predictions: np.ndarray) -> None:
                for labels in predictions:
                    encoded = io.BytesIO()
                    Image.fromarray(ids[labels]).save(encoded, "PNG")
                    archive.writestr(_prediction_name(next(images)), encoded.getvalue())

            yield write


def _prediction_name(image: Path) -> str:
    match = _IMAGE_NAME.fullmatch(image.name)
    if not match:
        raise InputError(
            f"{image} is not named as Cityscapes' images are, "
            f"<city>_<sequence>_<frame>_leftImg8bit.png; the server could not tell "
            f"which it is."
        )
    return f"{match[1]}_labelIds.png"


def write_confusion(
    counts: np.ndarray, names: Sequence[str], prefix: str | Path
) -> tuple[Path, Path]:
    """Writes `<prefix>.csv` with the counts of pixels and `<prefix>.png`.

    A prefix that ends in .csv or .png is taken too.
    """
    prefix = Path(prefix)
    stem = prefix.name.removesuffix(".csv").removesuffix(".png")
    if not stem:
        raise InputError(
            f"{str(prefix)!r} names no file for the confusion matrix; give a path such "
            f"as output/confusion."
        )
    table, picture = (prefix.with_name(stem + suffix) for suffix in (".csv", ".png"))
    with replacing(table) as temporary:
        with temporary.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["true class", *names])
            for name, row in zip(names, counts.tolist(), strict=True):
                writer.writerow([name, *row])
    with replacing(picture) as temporary:
        Image.fromarray(confusion_picture(counts, names)).save(temporary)
    return table, picture
