"""What is counted and scored, for use outside of this package's own runs."""

from keras_lraspp.training.keras_metrics import MeanIoU
from keras_lraspp.training.metrics import ConfusionMatrix

__all__ = ["ConfusionMatrix", "MeanIoU"]
