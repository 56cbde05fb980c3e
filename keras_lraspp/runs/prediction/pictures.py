"""What a prediction looks like: arrays, and the files made of them."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.files import replacing
from keras_lraspp.runs.prediction.result_files import Job
from keras_lraspp.visualize import colorize, overlay, with_legend


@dataclass(frozen=True, kw_only=True)
class Style:
    """How results are drawn and written.

    Attributes:
        classes: Names and colours of the classes.
        opacity: Weight of the colours in overlays, 0 to 1.
        legend: Whether overlays get a strip with the classes' names below.
        values: uint8 (256,), what is written for each class in label PNGs; `None` for
            the class itself.
    """

    classes: ClassSet
    opacity: float = 0.5
    legend: bool = False
    values: np.ndarray | None = None

    def __post_init__(self):
        """Checks the values."""
        if not 0 <= self.opacity <= 1:
            raise InputError(
                f"predict.opacity is 0..1, not {self.opacity!r}; correct it."
            )

    def color(self, labels: np.ndarray) -> np.ndarray:
        """Paints labels (H, W) in the classes' colours: uint8 RGB (H, W, 3)."""
        return colorize(labels, self.classes.palette)

    def overlay(
        self, pixels: np.ndarray, labels: np.ndarray, listed: np.ndarray | None = None
    ) -> np.ndarray:
        """Lays labels over an image: uint8 RGB of its size, higher with a legend.

        Args:
            pixels: uint8 RGB (H, W, 3).
            labels: Classes (H, W).
            listed: Classes in the legend; `None` for those among the labels.
        """
        names, palette = self.classes
        laid = overlay(pixels, labels, palette, self.opacity)
        if not self.legend:
            return laid
        listed = labels if listed is None else listed
        return with_legend(laid, listed, names, palette)


def write_results(
    job: Job,
    style: Style,
    pixels: np.ndarray,
    labels: np.ndarray,
    probabilities: np.ndarray | None,
) -> None:
    """Writes the files of one image.

    Args:
        job: Says which.
        style: Says how.
        pixels: uint8 RGB (H, W, 3).
        labels: Classes (H, W), uint8 or, for more than 256 classes, int32.
        probabilities: float16 (H, W, classes), if `job` wants them.

    Raises:
        StorageError: If a file cannot be written.
    """
    if job.labels:
        _write_png(job.labels, _label_picture(labels, style))
    if job.color:
        _write_png(job.color, _color_picture(labels, style))
    if job.overlay:
        _write_png(job.overlay, Image.fromarray(style.overlay(pixels, labels)))
    if job.probabilities:
        _write_archive(
            job.probabilities,
            probabilities=probabilities,
            classes=np.array(style.classes.names),
            palette=np.array(style.classes.palette, np.uint8),
        )


def _label_picture(labels: np.ndarray, style: Style) -> Image.Image:
    if style.values is not None:
        return Image.fromarray(style.values[labels])
    narrow = labels.dtype == np.uint8
    return Image.fromarray(labels if narrow else labels.astype(np.uint16))


def _color_picture(labels: np.ndarray, style: Style) -> Image.Image:
    if labels.dtype != np.uint8:
        return Image.fromarray(style.color(labels))
    # A palette PNG: smaller and faster than RGB, and the same to the eye.
    color = Image.fromarray(labels)
    color.putpalette(style.color(np.arange(256, dtype=np.uint8)).tobytes())
    return color


def _write_png(path: Path, picture: Image.Image) -> None:
    with replacing(path) as temporary:
        # The fastest compression: four times as fast as the default on an overlay,
        # and a fifth larger.
        picture.save(temporary, "PNG", compress_level=1)


def _write_archive(path: Path, **arrays: np.ndarray) -> None:
    """Writes what `np.savez_compressed` would, with the fastest compression."""
    with replacing(path) as temporary:
        with zipfile.ZipFile(
            temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=1
        ) as archive:
            for name, array in arrays.items():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
