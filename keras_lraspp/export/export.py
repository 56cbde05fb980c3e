"""One export: a trained model for other runtimes, each proven equal."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.classes import ClassSet
from keras_lraspp.data.dataset import SegmentationDataset
from keras_lraspp.errors import InputError
from keras_lraspp.export.deploy import deploy_path, write_deploy
from keras_lraspp.export.graph import check_outputs, image_sides, require_tensorflow
from keras_lraspp.export.metadata import describe
from keras_lraspp.export.parity import ParityReport, certify, find_samples, pictures
from keras_lraspp.files import put_in_place, sha256, staging
from keras_lraspp.inference.functions import label_function
from keras_lraspp.models.keras_file import find_classes, load_weights, open_weights
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import variant_of

FORMATS = ("saved_model", "onnx", "litert")
PRECISIONS = ("float32", "float16", "dynamic", "int8")
QUANTIZED = ("dynamic", "int8")  # judged by their mIoU


class Product(NamedTuple):
    """One file or folder.

    Attributes:
        format: Row of `FORMATS`.
        precision: Row of `PRECISIONS`; of LiteRT only.
        name: Of the file or folder in the output folder.
    """

    format: str
    precision: str
    name: str


def products(
    formats: Sequence[str],
    precisions: Sequence[str],
    version: int,
    size: Sequence[int] | None,
) -> list[Product]:
    """Lists what is to be made.

    Args:
        formats: Some of `FORMATS`.
        precisions: Some of `PRECISIONS`, for LiteRT.
        version: Number of the SavedModel's version.
        size: (height, width), which LiteRT needs.

    Raises:
        InputError: For arguments that are unknown or do not go together.
    """
    formats = _known("format", formats, FORMATS)
    precisions = _known("precision", precisions, PRECISIONS)
    if "litert" in formats and size is None:
        raise InputError(
            "A LiteRT file is for images of one size; give --size=HEIGHTxWIDTH, as "
            "512x1024."
        )
    if precisions != ("float32",) and "litert" not in formats:
        raise InputError(
            "--precision is for LiteRT; add litert to --format, or leave it out."
        )
    rows = []
    for name in formats:
        if name == "saved_model":
            rows.append(Product(name, "float32", str(version)))
        elif name == "onnx":
            rows.append(Product(name, "float32", "model.onnx"))
        else:
            rows += [Product(name, one, _litert_name(one)) for one in precisions]
    return rows


def check_absent(folder: Path, rows: Sequence[Product]) -> None:
    """Refuses to export onto what is there.

    Raises:
        InputError: If one of the files or folders is there.
    """
    for row in rows:
        for path in (folder / row.name, deploy_path(folder / row.name)):
            if path.exists():
                kind = "version" if row.format == "saved_model" else "folder"
                raise InputError(
                    f"{path} is there already; choose another {kind} or --overwrite."
                )


def _litert_name(precision: str) -> str:
    return "model.tflite" if precision == "float32" else f"model_{precision}.tflite"


def _known(flag: str, names: Sequence[str] | str, known: tuple) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or set(names) - set(known) or len(set(names)) < len(names):
        raise InputError(
            f"--{flag} is some of {', '.join(known)}, each once, not "
            f"{','.join(map(str, names))!r}."
        )
    return names


class Images(NamedTuple):
    """What an export is measured on, and how many images of it.

    Attributes:
        val: Validation set; `None` if it is not there.
        train: Training set, to calibrate on; `None` if nothing is.
        parity: Images of `val` to compare labels on.
        calibration: Images of `train` to see the ranges of values on.
        certificate: Images of `val` to measure the mIoU on.
    """

    val: SegmentationDataset | None
    train: SegmentationDataset | None
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
            "weights": {"name": self.weights.name, "sha256": sha256(self.weights)},
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


def export(
    *,
    model: Callable[..., keras.Model],
    weights: str | Path,
    output_dir: str | Path,
    dataset: Callable[..., SegmentationDataset] | None = None,
    data_root: str | Path | None = None,
    classes: str | int | Sequence[str] | None = None,
    formats: Sequence[str] = ("saved_model",),
    size: Sequence[int] | None = None,
    outputs: Sequence[str] = ("labels",),
    precisions: Sequence[str] = ("float32",),
    version: int = 1,
    parity_images: int = 4,
    calibration_images: int = 100,
    certificate_images: int = 100,
    overwrite: bool = False,
) -> list[Path]:
    """Writes a model for other runtimes.

    A SavedModel is the folder `<version>/` in `output_dir`, an ONNX file `model.onnx`,
    a LiteRT file `model.tflite` or `model_<precision>.tflite`. Beside each is its
    `<name>.deploy.json`: contract, classes, checksums, versions, and how it compares
    with the Keras model. Everything is made in a hidden folder and renamed when all of
    it is proven; if anything fails, nothing of it is left.

    Args:
        model: Called as `model(num_classes=...)`.
        weights: `.keras` or `.weights.h5` file of the model, trained on any backend.
        output_dir: Gets the files; of SavedModels, the folder of all versions.
        dataset: Called as `dataset(split=..., root=data_root)`. Images of its
            validation set are compared, if it is there; `"dynamic"` and `"int8"`
            need it.
        data_root: Folder of the data set, if not the data set's default.
        classes: As for `predict`.
        formats: Some of `"saved_model"`, `"onnx"` and `"litert"`.
        size: Fixed (height, width) of images; `None` for any, but not for LiteRT.
        outputs: Of ONNX and LiteRT files, some of `"labels"`, `"logits"` and
            `"probabilities"`. A SavedModel has a signature for each of the first two.
        precisions: Of LiteRT files, some of `"float32"`, `"float16"`, `"dynamic"` and
            `"int8"`: a file for each.
        version: Number of the SavedModel's version, the name of its folder.
        parity_images: Images of the validation set to compare on, beside drawn ones.
        calibration_images: Images of the training set that `"int8"` is calibrated on.
        certificate_images: Images of the validation set that the mIoU of `"dynamic"`
            and `"int8"` is measured on.
        overwrite: Whether to replace what is there.

    Returns:
        The files and folders.

    Raises:
        InputError: For bad weights or arguments, on another backend than TensorFlow,
            for missing data, or if a file is there.
        ParityError: If an exported model gives other labels than the model on more
            than 0.1 % of the pixels, or, in `"dynamic"` and `"int8"`, loses more than
            a point of mIoU.
        StorageError: If `output_dir` cannot be written.
    """
    require_tensorflow("An exported file")
    folder = Path(output_dir).expanduser()
    rows = products(formats, precisions, version, size)
    outputs = check_outputs(outputs)
    _check_counts(parity_images, calibration_images, certificate_images)
    if not overwrite:
        check_absent(folder, rows)
    opened = open_weights(weights)
    class_set = find_classes(classes, opened, "export")
    network = model(num_classes=len(class_set.names))
    load_weights(network, opened)
    images = Images(
        *_samples(dataset, data_root, rows, len(class_set.names)),
        parity_images,
        calibration_images,
        certificate_images,
    )
    maker = Maker(network, class_set, size, outputs, images, Path(weights))
    with staging(folder) as hidden:
        for row in rows:
            maker.make(row, hidden)
        for row in rows:
            # The proof first, so that nothing is ever there without one.
            put_in_place(deploy_path(hidden / row.name), deploy_path(folder / row.name))
            put_in_place(hidden / row.name, folder / row.name)
    return [folder / row.name for row in rows]


def _samples(dataset, data_root, rows: Sequence[Product], num_classes: int):
    """Opens the validation set, and the training set if there is use for it."""
    quantized = next((row for row in rows if row.precision in QUANTIZED), None)
    need = quantized and f"--precision={quantized.precision}"
    val = find_samples(dataset, data_root, "val", num_classes, need)
    train = None
    if any(row.precision == "int8" for row in rows):
        train = find_samples(dataset, data_root, "train", num_classes, need)
    return val, train


def _check_counts(parity: int, calibration: int, certificate: int) -> None:
    for name, count, least in (
        ("parity_images", parity, 0),
        ("calibration_images", calibration, 1),
        ("certificate_images", certificate, 1),
    ):
        if not isinstance(count, int) or count < least:
            raise InputError(f"{name} is a whole number from {least}, not {count!r}.")
