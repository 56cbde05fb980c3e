"""Training: optimizers, schedules, callbacks, and the run that uses them.

Names are loaded when first asked for, so that importing this package does not bring
TensorFlow.
"""

import importlib

from keras_lraspp.errors import naming_packages

# A loss, an optimizer or a schedule is added by its row here: the `.gin` files and
# `keras_lraspp.training.NAME` then know it.
LOSSES = {
    "CrossEntropy": "keras_lraspp.losses",
    "OhemCrossEntropy": "keras_lraspp.losses",
    "FocalLoss": "keras_lraspp.losses",
    "CombinedLoss": "keras_lraspp.losses",
    "DiceLoss": "keras_lraspp.losses",
    "LovaszSoftmax": "keras_lraspp.losses",
}
OPTIMIZERS = {
    "Muon": "keras_lraspp.training.muon",
    "SGD": "keras_lraspp.training.optimizer",
}
SCHEDULES = {"WarmupPolynomial": "keras_lraspp.training.schedule"}
# Of Keras, by name in the `.gin` files.
CALLBACKS = {
    "CSVLogger": "keras.callbacks",
    "EarlyStopping": "keras.callbacks",
    "ModelCheckpoint": "keras.callbacks",
    "TensorBoard": "keras.callbacks",
}
_HOME = {**LOSSES, **OPTIMIZERS, **SCHEDULES}
__all__ = sorted(_HOME)


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_packages(f"{__name__}.{name}"):
        return getattr(importlib.import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
