"""From images to labels, and from labels to pictures."""

from keras_lraspp.inference.labels import (
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.legend import legend, with_legend
from keras_lraspp.inference.options import DEFAULT, InferenceOptions
from keras_lraspp.inference.overlay import overlay
from keras_lraspp.inference.palette import colorize
from keras_lraspp.inference.palette_files import read_palette

__all__ = [
    "DEFAULT",
    "InferenceOptions",
    "colorize",
    "label_function",
    "legend",
    "logit_function",
    "overlay",
    "probability_function",
    "read_palette",
    "with_legend",
]
