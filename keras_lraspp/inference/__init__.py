"""From images to labels, and from labels to pictures."""

from keras_lraspp.inference.functions import (
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.tta import DEFAULT, InferenceOptions
from keras_lraspp.visualize import colorize, legend, overlay, read_palette, with_legend

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
