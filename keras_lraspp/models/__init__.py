"""Networks: the backbone, the head and LRASPP."""

from keras_lraspp.models.lraspp import LRASPP
from keras_lraspp.models.mobilenet_v3 import MobileNetV3

__all__ = ["LRASPP", "MobileNetV3"]
