"""Focal loss: cross entropy that turns away from pixels that are right already."""

import keras
from keras import ops

from keras_lraspp.errors import InputError
from keras_lraspp.training.losses import CrossEntropy


@keras.saving.register_keras_serializable("keras_lraspp")
class FocalLoss(CrossEntropy):
    """Focal cross entropy on the softmax, averaged over the pixels that count.

    A pixel's loss is (1 - p)^`gamma` l, where p is the softmax probability of its true
    class and l = -log p. The paper's alpha are the `class_weights`; its constant alpha
    only scales the loss.

    Args:
        gamma: How far pixels that are right are turned down; 0 is cross entropy.
        ignore_label: Label value that does not count; `None` if all count.
        class_weights: As of `CrossEntropy`.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        InputError: For a negative `gamma`; else as `CrossEntropy`.

    Call arguments and returns: as `CrossEntropy`.

    Reference:
        Lin et al., "Focal Loss for Dense Object Detection", ICCV 2017; for several
        classes as in PaddleSeg's `MultiClassFocalLoss`.
    """

    # `keras.losses.categorical_focal_crossentropy` does not fit: it wants one-hot
    # labels, takes five times as long, and clips p at 1e-7, so that no gradient reaches
    # the pixels that are most wrong: those whose true logit lies 16 below the largest.

    def __init__(
        self,
        gamma=2.0,
        ignore_label=255,
        class_weights=None,
        name="focal_loss",
        **kwargs,
    ):
        super().__init__(ignore_label, class_weights, name=name, **kwargs)
        if not gamma >= 0:
            raise InputError(f"FocalLoss.gamma is at least 0, not {gamma!r}.")
        self.gamma = gamma

    def modulate(self, losses):
        """Returns the focal losses."""
        # The bound keeps the power's slope finite at p = 1 for a gamma below 1, and its
        # base positive where rounding makes a cross entropy negative.
        doubt = ops.maximum(-ops.expm1(-losses), keras.config.epsilon())
        return ops.power(doubt, self.gamma) * losses

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "gamma": self.gamma}
