"""Segmentation losses for Keras: cross entropy, OHEM, focal, Dice, Lovasz-softmax."""

from keras_lraspp.losses.pixel_losses import (
    CombinedLoss,
    CrossEntropy,
    FocalLoss,
    OhemCrossEntropy,
)
from keras_lraspp.losses.region_losses import DiceLoss, LovaszSoftmax, RegionLoss

__all__ = [
    "CombinedLoss",
    "CrossEntropy",
    "DiceLoss",
    "FocalLoss",
    "LovaszSoftmax",
    "OhemCrossEntropy",
    "RegionLoss",
]
