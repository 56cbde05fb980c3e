# For type checkers and editors: what `__init__.py` loads when it is asked for.

from keras_lraspp import (
    data as data,
    errors as errors,
    inference as inference,
    layers as layers,
    losses as losses,
    metrics as metrics,
    training as training,
    visualize as visualize,
)
from keras_lraspp.models import LRASPP as LRASPP, MobileNetV3 as MobileNetV3
from keras_lraspp.models.importing import import_weights as import_weights
from keras_lraspp.models.preset_folder import upload_preset as upload_preset
from keras_lraspp.prediction.segmenter import Segmenter as Segmenter

__version__: str
