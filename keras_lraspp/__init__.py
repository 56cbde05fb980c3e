"""MobileNetV3 + Lite Reduced ASPP for Keras 3: TensorFlow, JAX and PyTorch."""

import importlib.abc
import importlib.util
import sys

from keras_lraspp.errors import naming_packages

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
    with naming_packages(f"{__name__}.{name}"):
        home = importlib.import_module(f"{__name__}.{_HOMES[name] or name}")
    if "keras" in sys.modules:
        _register_classes()
    return home if _HOMES[name] is None else getattr(home, name)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])


# What Keras's loading has to find.
_REGISTERED = ("models", "losses", "metrics", "training.optimizer", "training.schedule")


def _register_classes():
    for home in _REGISTERED:
        importlib.import_module(f"{__name__}.{home}")


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Registers our classes as soon as somebody else's program has imported Keras."""

    def find_spec(self, name, path=None, target=None):
        """Returns Keras's own spec, with a step added to its execution."""
        if name != "keras":
            return None
        sys.meta_path.remove(self)  # `importlib` would ask it again
        try:
            spec = importlib.util.find_spec(name)
        finally:
            sys.meta_path.insert(0, self)
        if spec is not None:
            execute = spec.loader.exec_module
            spec.loader.exec_module = lambda module: self._execute(execute, module)
        return spec

    def _execute(self, execute, module):
        sys.meta_path.remove(self)
        # One of ours that imports Keras is not complete yet.
        ours = [m for name, m in sys.modules.items() if name.startswith(f"{__name__}.")]
        waiting = any(getattr(m.__spec__, "_initializing", False) for m in ours)
        execute(module)
        if not waiting:
            _register_classes()


# `keras.models.load_model` finds them after a bare `import keras_lraspp`, before or
# after that of Keras.
if "keras" in sys.modules:
    _register_classes()
else:
    sys.meta_path.insert(0, _KerasFinder())
