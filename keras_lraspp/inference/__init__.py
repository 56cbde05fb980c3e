"""From images to labels, and from labels to pictures."""

from keras_lraspp.inference.labels import label_function
from keras_lraspp.inference.legend import legend
from keras_lraspp.inference.overlay import overlay
from keras_lraspp.inference.palette import colorize

__all__ = ["colorize", "label_function", "legend", "overlay"]
