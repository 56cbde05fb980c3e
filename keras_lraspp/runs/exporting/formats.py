"""What an export consists of: one row per file or folder that it makes."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from keras_lraspp.errors import InputError
from keras_lraspp.export.deploy import deploy_path

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
