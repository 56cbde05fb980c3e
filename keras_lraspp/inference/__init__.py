"""Inference: labels, probabilities and logits of images, and pictures of labels."""

from keras_lraspp.inference.functions import (
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.visualize import colorize, legend, overlay, read_palette, with_legend

__all__ = [
    "SINGLE_PASS",
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
