"""MobileNetV3 + Lite Reduced ASPP for Keras 3: TensorFlow, JAX and PyTorch."""

import importlib
import sys

__version__ = "0.1.0"

# The module of each public name; `None` for a module itself. Imported when first asked
# for, so that `keras-lraspp --help` needs no Keras. Its row in `__init__.pyi` is for
# type checkers and editors.
_HOMES = {
    "LRASPP": "models",
    "MobileNetV3": "models",
    "Segmenter": "prediction.segmenter",
    "data": None,
    "errors": None,
    "import_weights": "models.importing",
    "inference": None,
    "layers": None,
    "losses": None,
    "metrics": None,
    "training": None,
    "upload_preset": "models.preset_folder",
    "visualize": None,
}
__all__ = list(_HOMES)


def __getattr__(name: str):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = importlib.import_module(f"{__name__}.{_HOMES[name] or name}")
    return home if _HOMES[name] is None else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


# With Keras at hand, register our classes: `keras.models.load_model` then finds them
# after a bare `import keras_lraspp`.
if "keras" in sys.modules:
    importlib.import_module("keras_lraspp.models")
