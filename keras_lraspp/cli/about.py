"""What there is: versions of packages and the presets, without Keras or a backend."""

import argparse
import json
import os
import platform
from pathlib import Path

from keras_lraspp import __version__
from keras_lraspp.cli.flags import Command
from keras_lraspp.files import package_versions

_PACKAGES = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}


def version_lines() -> list[str]:
    """Lists the versions of this package, Keras, its backend and Python."""
    found = package_versions(["keras", *_PACKAGES])
    backend = _backend()
    name = _PACKAGES.get(backend, backend)
    others = [
        f"{_PACKAGES[key]} {found[key]}"
        for key in _PACKAGES
        if key in found and key != backend
    ]
    return [
        f"keras-lraspp {__version__}",
        f"Keras {found.get('keras', 'is not installed')}",
        f"{name} {found.get(backend, 'is not installed')}, Keras's backend"
        + (f" (also installed: {', '.join(others)})" if others else ""),
        f"Python {platform.python_version()}",
    ]


def _backend() -> str:
    """Returns the backend that Keras will use: from the environment or its file."""
    if asked := os.environ.get("KERAS_BACKEND"):
        return asked
    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    try:
        return str(json.loads((home / "keras.json").read_text())["backend"])
    except (OSError, ValueError, LookupError, TypeError):
        return "tensorflow"


def preset_rows() -> list[dict[str, object]]:
    """Lists the presets: networks with published weights.

    Returns:
        For each its name for `from_preset`, where it comes from, its mIoU in percent on
        the validation set, size, licence and whether it was downloaded, and to where.
    """
    from keras_lraspp.weights.published import VARIANTS

    return [
        {
            "name": row.preset,
            "source": row.publisher.name,
            "family": row.family,
            "dataset": row.dataset,
            "classes": row.num_classes,
            "short_side": row.short_side,
            "miou": row.miou,
            "flip_miou": row.flip_miou,
            "multi_scale_miou": row.multi_scale_miou,
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds,
            "license": row.publisher.license,
            "address": row.published.address,
            "file": str(row.published.cached),
            "downloaded": row.published.cached.is_file(),
        }
        for row in VARIANTS
        if row.published
    ]


def _add_presets_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def _presets(flags: argparse.Namespace) -> int:
    rows = preset_rows()
    print(json.dumps(rows, indent=2) if flags.json else _preset_table(rows))
    return 0


_HEAD = ("preset", "source", "data set", "classes", "mIoU", "params", "mult-adds")
_HEAD += ("licence", "cached")
_NUMBERS = ("classes", "mIoU", "params", "mult-adds")
_NOTES = """
mIoU as published, in percent on the validation set; multiply-adds of 512x1024 pixels.
Licences are those of the code bases; the data sets have terms of their own.
Weights are downloaded when first used: --weights=NAME, or LRASPP.from_preset(NAME).
ImageNet backbones to train from: LRASPP(backbone_weights=NAME), NAME one of
{names}."""


def _preset_table(rows: list[dict]) -> str:
    from keras_lraspp.weights.published import BACKBONE_WEIGHTS

    cells = [
        (
            row["name"],
            row["source"],
            row["dataset"],
            str(row["classes"]),
            f"{row['miou']:<5g}",  # with as many digits as were published
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['multiply_adds'] / 1e9:.2f} G",
            row["license"],
            "yes" if row["downloaded"] else "no",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(_HEAD, *cells, strict=True)]
    alignments = [">" if name in _NUMBERS else "<" for name in _HEAD]
    lines = [
        "  ".join(
            f"{cell:{align}{width}}"
            for cell, align, width in zip(line, alignments, widths, strict=True)
        ).rstrip()
        for line in (_HEAD, *cells)
    ]
    names = ", ".join(dict.fromkeys(row.name for row in BACKBONE_WEIGHTS))
    return "\n".join([*lines, _NOTES.format(names=names)])


PRESETS_COMMAND = Command(
    "presets",
    "list the published weights that --weights takes by name",
    _add_presets_flags,
    _presets,
    "--json",
)
