"""Versions of the packages in use, without importing them."""

import json
import os
import platform
from pathlib import Path

from keras_lraspp import __version__
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
