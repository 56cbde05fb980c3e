"""Segmentation: labels of one image, shares of classes, probabilities, pictures."""

import io
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_lraspp.classes import ClassSet
from keras_lraspp.errors import InputError
from keras_lraspp.legends import class_counts, share_text, with_legend
from keras_lraspp.palettes import Palette, picture_palette
from keras_lraspp.prediction.outputs import (
    DrawingStyle,
    Job,
    check_result_kinds,
    result_paths,
    write_results,
)
from keras_lraspp.prediction.predictors import Predictor
from keras_lraspp.schema import Color
from keras_lraspp.visualize import colorize, overlay, rgb_picture

_SHOWN = 4  # classes in one line
_ROWS = 12  # of classes in a table
_NOTEBOOK_SIDE = 1000  # the largest, in pixels


class ClassShare(NamedTuple):
    """A class of an image.

    Attributes:
        name: Its name.
        share: Share of the image's pixels, 0 to 1.
        pixels: Number of its pixels.
        label: Its label, from 0 on.
        color: Its colour, RGB 0..255.
    """

    name: str
    share: float
    pixels: int
    label: int
    color: Color


class ClassTable(tuple[ClassShare, ...]):
    """The classes of an image, the largest first, printed as a table.

    `pandas.DataFrame(table)` has a column for each field of `ClassShare`.
    """

    def __repr__(self) -> str:
        """A line for each class."""
        width = max((len(row.name) for row in self), default=0)
        return "\n".join(
            f"{row.name:<{width}} {share_text(row.share):>8} {row.pixels:>11}"
            for row in self
        )


class ClassTotals:
    """Counts classes over all images of a run; threads may share it.

    Args:
        names: Those of the classes, in the order of their labels.
        unit: What the images are, as "images" or "frames".
    """

    def __init__(self, names: Sequence[str], unit: str):
        self.names = names
        self.unit = unit
        self._pixels, self._images = np.zeros((2, len(names)), np.int64)
        self._all = 0  # pixels, also of no class
        self._lock = threading.Lock()

    def add(self, labels: np.ndarray) -> None:
        """Counts the labels of an image, (H, W)."""
        counts = class_counts(labels, len(self.names))
        with self._lock:
            self._all += labels.size
            self._pixels += counts
            self._images += counts > 0

    def table(self) -> str:
        """Returns the classes that were found, the largest first, as a table.

        Of more than twelve the smaller ones are one row; nothing found is no text.
        """
        order = np.argsort(-self._pixels, kind="stable")
        order = order[self._pixels[order] > 0]
        if not len(order):
            return ""
        shown = order if len(order) <= _ROWS else order[: _ROWS - 1]
        rows = [("class", "pixels", self.unit)]
        for label in shown:
            share = share_text(self._pixels[label] / self._all)
            rows.append((self.names[label], share, str(self._images[label])))
        if rest := order[len(shown) :].tolist():
            share = share_text(self._pixels[rest].sum() / self._all)
            rows.append((f"{len(rest)} more", share, ""))
        width = max(len(name) for name, _, _ in rows)
        lines = (f"{name:<{width}} {a:>9} {b:>9}".rstrip() for name, a, b in rows)
        return "\n".join(lines)


class Segmentation:
    """Labels of one image, and what can be made of them.

    In a notebook it shows itself: the image under the colours of its classes.

    Attributes:
        image: uint8 (H, W, channels), the upright image as the network got it.
        labels: The class of every pixel, (H, W): uint8 up to 256 classes, int32 above.
        class_set: Names and colours of all classes.
        name: What its files are named after: the image's file without its suffix, or
            "image".

    Example:
        ```python
        result = segmenter.predict("street.jpg")
        print(result.classes)
        result.save("output/street")
        ```
    """

    def __init__(
        self,
        image: np.ndarray,
        labels: np.ndarray,
        class_set: ClassSet,
        *,
        name: str = "image",
        probabilities: np.ndarray | None = None,
        predictor: Predictor | None = None,
    ):
        """Keeps what a `Segmenter` found."""
        self.image = image
        self.labels = labels
        self.class_set = class_set
        self.name = name
        self._probabilities = probabilities
        self._predictor = predictor
        self._classes: ClassTable | None = None

    @property
    def classes(self) -> ClassTable:
        """The classes that are there, the largest first, with their shares.

        The shares are of all pixels of the image. They add to 1, but for labels that
        are no class, which only a `Predictor` of yours can give.
        """
        if self._classes is None:
            names, palette = self.class_set
            counts = class_counts(self.labels, len(names))
            order = sorted(np.flatnonzero(counts), key=lambda label: -counts[label])
            self._classes = ClassTable(
                ClassShare(
                    names[label],
                    float(counts[label] / self.labels.size),
                    int(counts[label]),
                    int(label),
                    palette[label],
                )
                for label in order
            )
        return self._classes

    @property
    def probabilities(self) -> np.ndarray:
        """The probability of every class at every pixel, float32 (H, W, classes).

        They take much memory, 4 bytes for each class and pixel. Unless `predict` was
        asked for them, the network runs once more when they are first used; then they
        are kept as long as the result.

        Raises:
            InputError: If the result comes from another process, which does not send
                the network along, or the network gives none.
        """
        if self._probabilities is None:
            if self._predictor is None:
                raise InputError(
                    "This result has no probabilities, and not the network for them; "
                    "make it by predict(image, probabilities=True)."
                )
            self._probabilities = self._predictor.probabilities(self.image[None])[0]
        return self._probabilities

    def color(self) -> np.ndarray:
        """Returns the labels in the classes' colours, uint8 RGB (H, W, 3)."""
        return colorize(self.labels, self.class_set.palette)

    def overlay(
        self,
        *,
        opacity: float = 0.5,
        borders: bool = True,
        legend: bool = False,
        min_region: int = 0,
        palette: Palette | None = None,
    ) -> np.ndarray:
        """Returns the image with its labels laid over it.

        Args:
            opacity: Weight of the colours, 0 to 1.
            borders: Whether to draw a thin line around each region.
            legend: Whether to name the classes that are there, with their shares, in a
                strip below.
            min_region: Regions of fewer pixels are drawn as the class around them.
            palette: RGB, 0..255, of each class; `None` for `picture_palette`.

        Returns:
            uint8 RGB (H, W, 3); higher, and wider if a name needs it, with a legend.
        """
        palette = palette or picture_palette(self.class_set)
        rgb = rgb_picture(self.image)
        picture = overlay(rgb, self.labels, palette, opacity, borders, min_region)
        if not legend:
            return picture
        return with_legend(picture, self.labels, self.class_set.names, palette)

    def save(
        self,
        folder: str | os.PathLike,
        outputs: str | Sequence[str] = ("labels", "color", "overlay"),
        *,
        opacity: float = 0.5,
        legend: bool = False,
        min_region: int = 0,
    ) -> dict[str, Path]:
        """Writes the files that the `predict` command writes, under the same names.

        `<name>_labels.png`, in grey, holds the class of each pixel; `<name>_color.png`
        shows them in colour; `<name>_overlay.png` shows them over the image;
        `<name>_probabilities.npz` has `probabilities`, float16 (H, W, classes),
        `classes` and `palette`. Each is either written whole or not there; files of
        these names are replaced.

        Args:
            folder: Is made if missing.
            outputs: Some of `"labels"`, `"color"`, `"overlay"`, `"probabilities"`.
            opacity: Weight of the colours in the overlay, 0 to 1.
            legend: Whether the overlay gets a strip with names and shares below.
            min_region: The overlay leaves out regions of fewer pixels.

        Returns:
            The path of each output.

        Raises:
            InputError: For unknown outputs, or an opacity out of range.
            StorageError: If a file cannot be written.
        """
        kinds = check_result_kinds(outputs, "outputs")
        style = DrawingStyle(
            classes=self.class_set,
            opacity=opacity,
            legend=legend,
            min_region=min_region,
        )
        paths = result_paths(Path(os.path.expanduser(folder)), self.name, kinds)
        soft = None
        if "probabilities" in kinds:
            soft = self.probabilities.astype(np.float16)
        job = Job(Path(self.name), **paths)
        write_results(job, style, rgb_picture(self.image), self.labels, soft)
        return paths

    def _repr_png_(self) -> bytes:
        """Returns the overlay with a legend as a PNG, made smaller, for notebooks."""
        height, width = self.labels.shape
        shrunk = max(1.0, max(height, width) / _NOTEBOOK_SIDE)
        size = max(1, round(width / shrunk)), max(1, round(height / shrunk))
        image = Image.fromarray(rgb_picture(self.image))
        image = np.asarray(image.resize(size, Image.Resampling.BOX))
        rows, columns = (
            (np.arange(small) + 0.5) * side // small
            for small, side in ((size[1], height), (size[0], width))
        )
        labels = self.labels[np.ix_(rows.astype(int), columns.astype(int))]
        palette = picture_palette(self.class_set)
        picture = overlay(image, labels, palette)
        picture = with_legend(picture, self.labels, self.class_set.names, palette)
        content = io.BytesIO()
        Image.fromarray(picture).save(content, "PNG")
        return content.getvalue()

    def __repr__(self) -> str:
        """Its size and largest classes in one line."""
        height, width = self.labels.shape
        parts = [f"{row.name} {share_text(row.share)}" for row in self.classes[:_SHOWN]]
        if len(self.classes) > _SHOWN:
            parts.append(f"{len(self.classes) - _SHOWN} more")
        none = 1 - sum(row.pixels for row in self.classes) / self.labels.size
        if none > 0:
            parts.append(f"no class {share_text(none)}")
        return f"<Segmentation {self.name!r}, {height}x{width}: {', '.join(parts)}>"

    def __getstate__(self) -> dict[str, Any]:
        """Leaves out the network: results of other processes stay small."""
        return {**self.__dict__, "_predictor": None}
