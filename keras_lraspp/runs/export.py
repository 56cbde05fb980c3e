"""One export: a trained model for other runtimes, each proven equal."""

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from keras_lraspp.data.dataset import Samples
from keras_lraspp.errors import InputError
from keras_lraspp.export.deploy import deploy_path
from keras_lraspp.export.graph import check_outputs, require_tensorflow
from keras_lraspp.files import put_in_place, staging
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.runs.classes import find_classes
from keras_lraspp.runs.exporting.formats import (
    QUANTIZED,
    Product,
    check_absent,
    products,
)
from keras_lraspp.runs.exporting.images import find_samples
from keras_lraspp.runs.exporting.making import Images, Maker


def export(
    *,
    model: Callable[..., keras.Model],
    weights: str | Path,
    output_dir: str | Path,
    dataset: Callable[..., Samples] | None = None,
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
    class_set = find_classes(classes, weights, "export")
    network = model(num_classes=len(class_set.names))
    load_weights(network, weights)
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
