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
    from keras_lraspp.weights import published

    return [
        {
            "name": row.preset,
            "source": published.PUBLISHER,
            "dataset": published.PUBLISHED_DATASET,
            "classes": published.PUBLISHED_CLASSES,
            "miou": row.miou,
            "parameters": row.parameters,
            "multiply_adds": row.multiply_adds,
            "license": published.LICENSE,
            "address": row.published.address,
            "file": str(row.published.cached),
            "downloaded": row.published.cached.is_file(),
        }
        for row in published.VARIANTS
        if row.published
    ]


def _add_presets_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print them as JSON")


def _presets(flags: argparse.Namespace) -> int:
    rows = preset_rows()
    print(json.dumps(rows, indent=2) if flags.json else _preset_table(rows))
    return 0


def _preset_table(rows: list[dict]) -> str:
    head = ("preset", "source", "data set", "classes", "mIoU", "parameters")
    head += ("multiply-adds", "licence", "downloaded")
    cells = [
        (
            row["name"],
            row["source"],
            row["dataset"],
            str(row["classes"]),
            f"{row['miou']:.2f}",
            f"{row['parameters'] / 1e6:.2f} M",
            f"{row['multiply_adds'] / 1e9:.2f} G",
            row["license"],
            "yes" if row["downloaded"] else "no",
        )
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in (head, *cells)
    ]
    return "\n".join(
        [
            *map(str.rstrip, lines),
            "",
            "mIoU as published, in percent on the validation set; multiply-adds of "
            "512x1024 pixels.",
            "Weights are downloaded when first used: --weights=NAME, or "
            "LRASPP.from_preset(NAME).",
        ]
    )


PRESETS_COMMAND = Command(
    "presets",
    "list the published weights that --weights takes by name",
    _add_presets_flags,
    _presets,
    "--json",
)
