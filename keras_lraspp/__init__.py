"""MobileNetV3 + Lite Reduced ASPP for Keras 3: TensorFlow, JAX and PyTorch."""

import importlib
import sys

__version__ = "0.1.0"

__all__ = ["LRASPP", "MobileNetV3", "Segmenter", "data", "import_weights", "metrics"]

# Loaded when first asked for, so that `keras-lraspp --help` needs no Keras.
_LAZY = {
    "LRASPP": ("keras_lraspp.models", "LRASPP"),
    "MobileNetV3": ("keras_lraspp.models", "MobileNetV3"),
    "Segmenter": ("keras_lraspp.prediction.segmenter", "Segmenter"),
    "data": ("keras_lraspp.data", None),
    "import_weights": ("keras_lraspp.models.importing", "import_weights"),
    "metrics": ("keras_lraspp.metrics", None),
}


def __getattr__(name):
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _LAZY[name]
    loaded = importlib.import_module(module)
    return getattr(loaded, attribute) if attribute else loaded


# With Keras at hand, register our classes: `keras.models.load_model` then finds them
# after a bare `import keras_lraspp`.
if "keras" in sys.modules:
    importlib.import_module("keras_lraspp.models")
