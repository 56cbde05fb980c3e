# For type checkers and editors: what `__init__.py` loads when it is asked for.

from keras_lraspp.losses import (
    CombinedLoss as CombinedLoss,
    CrossEntropy as CrossEntropy,
    DiceLoss as DiceLoss,
    FocalLoss as FocalLoss,
    LovaszSoftmax as LovaszSoftmax,
    OhemCrossEntropy as OhemCrossEntropy,
)
from keras_lraspp.training.muon import Muon as Muon
from keras_lraspp.training.optimizer import SGD as SGD
from keras_lraspp.training.schedule import WarmupPolynomial as WarmupPolynomial

CALLBACKS: dict[str, str]
LOSSES: dict[str, str]
OPTIMIZERS: dict[str, str]
SCHEDULES: dict[str, str]
