"""The making of one exported file: write it, prove it, describe it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.data.dataset import Samples
from keras_lraspp.export.deploy import checksum, write_deploy
from keras_lraspp.export.graph import image_sides
from keras_lraspp.export.metadata import describe
from keras_lraspp.export.parity import ParityReport
from keras_lraspp.inference.labels import label_function
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import variant_of
from keras_lraspp.runs.exporting.formats import QUANTIZED, Product
from keras_lraspp.runs.exporting.images import certify, pictures


class Images(NamedTuple):
    """What an export is measured on, and how many images of it.

    Attributes:
        val: Validation set; `None` if it is not there.
        train: Training set, to calibrate on; `None` if nothing is.
        parity: Images of `val` to compare labels on.
        calibration: Images of `train` to see the ranges of values on.
        certificate: Images of `val` to measure the mIoU on.
    """

    val: Samples | None
    train: Samples | None
    parity: int
    calibration: int
    certificate: int


class Maker(NamedTuple):
    """Makes one product after the other of a network.

    Attributes:
        network: The Keras model.
        classes: Its classes.
        size: (height, width) of images; `None` for any.
        outputs: Of ONNX and LiteRT files.
        images: What it is measured on.
        weights: The file that the network's weights are from.
    """

    network: keras.Model
    classes: ClassSet
    size: Sequence[int] | None
    outputs: tuple[str, ...]
    images: Images
    weights: Path

    def make(self, row: Product, folder: Path) -> None:
        """Makes a product and its `deploy.json` in `folder`, and prints a line."""
        path = folder / row.name
        about = describe(self.network, self.classes, _variant(self.network))
        report = self._export(row, path, about.variant)
        val = self.images.val
        more = {
            "parity_images": f"{val.name} {val.split}" if val else "drawn only",
            "weights": {"name": self.weights.name, "sha256": checksum(self.weights)},
        }
        if row.precision in QUANTIZED:
            more["certificate"] = self._certify(row, path)
        write_deploy(
            path,
            report,
            about=about,
            sides=image_sides(self.network, self.size),
            outputs=self.outputs,
            more=more,
        )
        print(_line(row, report, more))

    def _export(self, row: Product, path: Path, variant: str | None) -> ParityReport:
        shared = {
            "size": self.size,
            "classes": self.classes,
            "variant": variant,
            "images": pictures(self.images.val, self.images.parity),
        }
        if row.format == "saved_model":
            from keras_lraspp.export.saved_model import export_saved_model

            version = int(row.name)
            return export_saved_model(
                self.network, path.parent, version=version, **shared
            )
        if row.format == "onnx":
            from keras_lraspp.export.onnx import export_onnx

            return export_onnx(self.network, path, outputs=self.outputs, **shared)
        from keras_lraspp.export.litert import export_litert

        return export_litert(
            self.network,
            path,
            outputs=self.outputs,
            precision=row.precision,
            representative=self._representative(row),
            **shared,
        )

    def _representative(self, row: Product) -> Iterable[np.ndarray] | None:
        if row.precision != "int8":
            return None
        return pictures(self.images.train, self.images.calibration)

    def _certify(self, row: Product, path: Path) -> dict:
        from keras_lraspp.export.runtimes import open_exported

        return certify(
            label_function(self.network),
            open_exported(path).labels,
            self.images.val,
            self.images.certificate,
            image_sides(self.network, self.size),
            str(path),
        )


def _variant(model: keras.Model) -> str | None:
    found = variant_of(model) if isinstance(model, LRASPP) else None
    return found and found.name


def _line(row: Product, report: ParityReport, more: dict) -> str:
    drawn = len(report.sizes) - report.given_images
    images = f"{drawn} drawn image{'s' * (drawn != 1)}"
    if report.given_images:
        images = f"{report.given_images} of {more['parity_images']} and {images}"
    text = f"{row.name}: {row.format} {row.precision}, the Keras model's labels on "
    text += f"{report.agreement:.2%} of the pixels of {images}"
    if "certificate" in more:
        certificate = more["certificate"]
        text += (
            f"; mIoU {certificate['miou']:.2%} for {certificate['model_miou']:.2%} on "
            f"{certificate['images']} of {certificate['dataset']} "
            f"{certificate['split']}"
        )
    return text
