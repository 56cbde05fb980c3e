"""`deploy.json`: contract, classes, checksums, versions and parity of an export."""

import json
import re
from pathlib import Path

from keras_lraspp import __version__
from keras_lraspp.export.graph import FileContents
from keras_lraspp.export.metadata import DECODED_FILES, INPUT, image_kind
from keras_lraspp.export.parity import ParityReport
from keras_lraspp.files import package_versions, sha256

_TOOLS = ("keras", "tensorflow", "tf2onnx", "onnx", "numpy")


def deploy_path(path: Path) -> Path:
    """Returns where the `deploy.json` of a file or folder is: beside it."""
    return path.with_name(f"{path.name}.deploy.json")


def write_deploy(
    path: Path, report: ParityReport, contents: FileContents, more: dict
) -> None:
    """Writes the `deploy.json` of a finished file or folder beside it."""
    parity = report.as_dict()
    shared = {name: parity.pop(name) for name in ("format", "precision")}
    parity.pop("path")
    about = contents.metadata
    content = {
        "name": path.name,
        **shared,
        "contract": _contract(report.format, contents),
        "variant": about.variant,
        "smallest_side": about.smallest_side,
        "classes": list(about.classes.names),
        "palette": [list(color) for color in about.classes.palette],
        "parity": parity,
        **more,
        "sha256": _checksums(path),
        "versions": {"keras_lraspp": __version__, **package_versions(_TOOLS)},
    }
    deploy_path(path).write_text(_json(content), encoding="utf-8")


def _contract(format_name: str, contents: FileContents) -> dict:
    """Returns inputs and outputs, by signature for a SavedModel."""
    sides, num_classes = contents.sides, contents.metadata.num_classes
    batch = 1 if format_name == "litert" else None
    channels = contents.channels
    what = f"{image_kind(channels)}, 0 to 255"
    image = {INPUT: _tensor("uint8", batch, *sides, channels, content=what)}
    found = {
        "labels": _tensor("int32", batch, *sides, content="class of each pixel"),
        "logits": _tensor("float32", batch, *sides, num_classes),
        "probabilities": _tensor("float32", batch, *sides, num_classes),
    }
    if format_name != "saved_model":
        outputs = {name: found[name] for name in contents.outputs}
        return {"inputs": image, "outputs": outputs}
    files = DECODED_FILES.get(channels)
    encoded = {"image_bytes": _tensor("string", None, content=f"{files} files")}
    pngs = {
        "label_png_bytes": _tensor("string", None, content="PNG of the labels, grey"),
        "color_png_bytes": _tensor("string", None, content="PNG in the palette"),
    }
    labels = {"labels": found["labels"]}
    rows = {
        "serving_default": (image, labels),
        "logits": (image, {"logits": found["logits"]}),
    }
    if files is not None:
        rows["serve_bytes"] = encoded, {**labels, **pngs}
        rows["serve_png"] = encoded, pngs
    return {
        "signatures": {
            name: {"inputs": inputs, "outputs": outputs}
            for name, (inputs, outputs) in rows.items()
        }
    }


def _json(content: dict) -> str:
    """Writes JSON with shapes and colours on one line each."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    numbers = re.compile(r"\[\s+((?:\d+|null)(?:,\s+(?:\d+|null))*)\s+\]")
    joined = numbers.sub(lambda found: f"[{' '.join(found[1].split())}]", text)
    return joined + "\n"


def _tensor(dtype: str, *shape: int | None, content: str | None = None) -> dict:
    """Describes a tensor; a side that is free is `None`, in JSON null."""
    described = {"dtype": dtype, "shape": list(shape)}
    return described if content is None else {**described, "content": content}


def _checksums(path: Path) -> dict[str, str]:
    """Returns the SHA-256 of a file, or of all files in a folder, by relative path."""
    files = [path] if path.is_file() else sorted(path.rglob("*"))
    base = path.parent if path.is_file() else path
    return {
        file.relative_to(base).as_posix(): sha256(file)
        for file in files
        if file.is_file()
    }
