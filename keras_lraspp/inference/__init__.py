"""Inference: labels, probabilities and logits of images, and pictures of labels."""

from keras_lraspp.inference.functions import (
    label_function,
    logit_function,
    probability_function,
)
from keras_lraspp.inference.tta import SINGLE_PASS, InferenceOptions
from keras_lraspp.legends import legend, with_legend
from keras_lraspp.palettes import picture_palette, read_palette
from keras_lraspp.visualize import colorize, overlay

__all__ = [
    "SINGLE_PASS",
    "InferenceOptions",
    "colorize",
    "label_function",
    "legend",
    "logit_function",
    "overlay",
    "picture_palette",
    "probability_function",
    "read_palette",
    "with_legend",
]
