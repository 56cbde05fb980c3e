"""The export command: a trained model for other runtimes, each compared with it."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras

from keras_lraspp.data.dataset import (
    SegmentationDataset,
    check_model_channels,
    configured_classes,
)
from keras_lraspp.errors import InputError
from keras_lraspp.export.deploy import deploy_path, write_deploy
from keras_lraspp.export.graph import (
    FileContents,
    check_output_names,
    choose_contents,
    require_tensorflow,
)
from keras_lraspp.export.litert import convert_to_litert
from keras_lraspp.export.metadata import (
    DECODED_FILES,
    FILE_PRECISIONS,
    fitting_precisions,
)
from keras_lraspp.export.parity import (
    ParityReport,
    compare_miou,
    load_images,
    open_split,
)
from keras_lraspp.export.saved_model import check_version, write_saved_model
from keras_lraspp.files import put_in_place, sha256, staging
from keras_lraspp.inference.functions import label_function
from keras_lraspp.models.graph_model import float32_copy
from keras_lraspp.models.loading import load_network
from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.variants import variant_of
from keras_lraspp.schema import Count, Index, check_call

EXPORT_FORMATS = ("saved_model", "onnx", "litert")
_QUANTIZED = ("dynamic", "int8")  # judged by their mIoU


class Artifact(NamedTuple):
    """One exported file or folder."""

    format: str  # one of `EXPORT_FORMATS`
    precision: str  # one of those of the format
    name: str  # in the output folder


def export(
    *,
    weights: str | Path,
    output_dir: str | Path = "output/exported",
    model: Callable[..., keras.Model] | None = None,
    dataset: Callable[..., SegmentationDataset] | None = None,
    data_root: str | Path | None = None,
    classes: str | int | Sequence[str] | None = None,
    formats: Sequence[str] = ("saved_model",),
    size: Sequence[int] | None = None,
    outputs: Sequence[str] = ("labels",),
    precisions: Sequence[str] = ("float32",),
    version: Count = 1,
    parity_images: Index = 4,
    calibration_images: Count = 100,
    certificate_images: Count = 100,
    overwrite: bool = False,
) -> list[Path]:
    """Writes a model for other runtimes.

    A SavedModel is the folder `<version>/` in `output_dir`, an ONNX file `model.onnx`
    or `model_int8.onnx`, a LiteRT file `model.tflite` or `model_<precision>.tflite`.
    Beside each is its
    `<name>.deploy.json`: contract, classes, checksums, versions, and how it compares
    with the Keras model. Everything is made in a hidden folder and renamed when all of
    it is compared; if anything fails, nothing of it is left. Networks in half precision
    are written in float32.

    Args:
        weights: A `.keras` or `.weights.h5` file, trained on any backend, weights of
            another code base (`.pdparams`, `.pth`, `.pt`, `.safetensors`), or the name
            of a preset.
        output_dir: Gets the files; of SavedModels, the folder of all versions.
        model: Called as `model(num_classes=...)`; `None` for the network that the
            weights name, as all but a `.weights.h5` file do.
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
            `"int8"`: a file for each. Of ONNX files, `"float32"` and `"int8"`. A format
            that has none of them is written in float32.
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
    check_call("export", export, locals())
    require_tensorflow("An exported file")
    folder = Path(os.path.expanduser(output_dir))
    artifacts = _list_artifacts(formats, precisions, version, size)
    outputs = check_output_names(outputs)
    if not overwrite:
        _check_not_existing(folder, artifacts)

    network, class_set, file = load_network(
        weights,
        model,
        classes,
        "export",
        partial(configured_classes, dataset, data_root),
    )
    if isinstance(network, LRASPP) and network.dtype_policy.name != "float32":
        network = float32_copy(network)
    variant = variant_of(network) if isinstance(network, LRASPP) else None
    contents = choose_contents(
        network, outputs, size, class_set, variant and variant.name
    )
    val, train = _open_splits(dataset, data_root, artifacts, len(class_set.names))
    for samples in filter(None, (val, train)):
        check_model_channels("The network", contents.channels, samples)
    shared = {
        "parity_images": f"{val.name} {val.split}" if val else "drawn only",
        "weights": {"name": Path(weights).name, "sha256": sha256(file)},
    }

    with staging(folder) as hidden:
        for artifact in artifacts:
            path, more = hidden / artifact.name, dict(shared)
            images = load_images(val, parity_images)
            calibration = load_images(train, calibration_images)
            report = _write(artifact, contents, path, images, calibration)
            if artifact.precision in _QUANTIZED:
                more["certificate"] = _compare_miou(
                    contents, path, val, certificate_images
                )
            write_deploy(path, report, contents, more)
            print(_line(artifact, report, more))
        if "saved_model" in formats and contents.channels not in DECODED_FILES:
            print(
                f"Images of {contents.channels} channels are sent as arrays: the "
                f"SavedModel has no serve_bytes and no serve_png."
            )
        for name in (artifact.name for artifact in artifacts):
            # The parity first, so that nothing is ever there without one.
            put_in_place(deploy_path(hidden / name), deploy_path(folder / name))
            put_in_place(hidden / name, folder / name)
    return [folder / artifact.name for artifact in artifacts]


def _list_artifacts(
    formats: Sequence[str],
    precisions: Sequence[str],
    version: int,
    size: Sequence[int] | None,
) -> list[Artifact]:
    """Lists what to write; raises InputError for arguments that do not fit."""
    formats = _known("format", formats, EXPORT_FORMATS)
    precisions = _known("precision", precisions, FILE_PRECISIONS["litert"])
    if "litert" in formats and size is None:
        raise InputError(
            "A LiteRT file is for images of one size; give --size=HEIGHTxWIDTH, as "
            "512x1024."
        )
    for precision in precisions:
        fitting = [
            name for name in FILE_PRECISIONS if precision in FILE_PRECISIONS[name]
        ]
        if precision != "float32" and not set(formats) & set(fitting):
            raise InputError(
                f"--precision={precision} is of {' and '.join(fitting)}; add one of "
                f"them to --format, or leave it out."
            )
    artifacts = []
    for name in formats:
        if name == "saved_model":
            check_version(version)
            artifacts.append(Artifact(name, "float32", str(version)))
            continue
        suffix = {"litert": ".tflite", "onnx": ".onnx"}[name]
        for precision in fitting_precisions(name, precisions):
            ending = "" if precision == "float32" else f"_{precision}"
            artifacts.append(Artifact(name, precision, f"model{ending}{suffix}"))
    return artifacts


def _known(flag: str, names: Sequence[str] | str, known: tuple) -> tuple[str, ...]:
    names = (names,) if isinstance(names, str) else tuple(names)
    if not names or set(names) - set(known) or len(set(names)) < len(names):
        raise InputError(
            f"--{flag} is some of {', '.join(known)}, each once, not "
            f"{','.join(map(str, names))!r}."
        )
    return names


def _check_not_existing(folder: Path, artifacts: Sequence[Artifact]) -> None:
    for artifact in artifacts:
        path = folder / artifact.name
        for taken in (path, deploy_path(path)):
            if taken.exists():
                kind = "version" if artifact.format == "saved_model" else "folder"
                raise InputError(
                    f"{taken} is there already; choose another {kind} or --overwrite."
                )


def _open_splits(dataset, data_root, artifacts: Sequence[Artifact], num_classes: int):
    """Opens the validation set, and the training set if there is use for it."""
    quantized = [row.precision for row in artifacts if row.precision in _QUANTIZED]
    need = f"--precision={quantized[0]}" if quantized else None
    val = open_split(dataset, data_root, "val", num_classes, need)
    train = None
    if "int8" in quantized:
        train = open_split(dataset, data_root, "train", num_classes, need)
    return val, train


def _write(
    artifact: Artifact, contents: FileContents, path: Path, images, calibration
) -> ParityReport:
    if artifact.format == "saved_model":
        return write_saved_model(contents, path, images)
    if artifact.format == "onnx":
        from keras_lraspp.export.onnx import convert_to_onnx

        content, report = convert_to_onnx(
            contents, path, images, artifact.precision, calibration
        )
    else:
        content, report = convert_to_litert(
            contents, path, images, artifact.precision, calibration
        )
    path.write_bytes(content)
    return report


def _compare_miou(
    contents: FileContents, path: Path, val: SegmentationDataset, count: int
) -> dict:
    from keras_lraspp.export.runtimes import open_exported

    return compare_miou(
        label_function(contents.model),
        open_exported(path).labels,
        val,
        count,
        contents.sides,
        str(path),
    )


def _line(artifact: Artifact, report: ParityReport, more: dict) -> str:
    drawn = len(report.sizes) - report.given_images
    images = f"{drawn} drawn image{'s' * (drawn != 1)}"
    if report.given_images:
        images = f"{report.given_images} of {more['parity_images']} and {images}"
    text = f"{artifact.name}: {artifact.format} {artifact.precision}, the Keras model's"
    text += f" labels on {report.agreement:.2%} of the pixels of {images}"
    if "certificate" in more:
        certificate = more["certificate"]
        text += (
            f"; mIoU {certificate['miou']:.2%} for {certificate['model_miou']:.2%} on "
            f"{certificate['images']} of {certificate['dataset']} "
            f"{certificate['split']}"
        )
    return text
