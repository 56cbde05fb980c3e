"""Dice loss and Lovasz-softmax: losses on the overlap of regions."""

from typing import Literal

import keras
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.losses.pixel_losses import check_scores, valid_labels
from keras_lraspp.schema import Int32, check_call


class RegionLoss(keras.losses.Loss):
    """Base of the losses that compare regions class by class.

    A subclass has the method `class_losses`. Averaged are the losses of the classes
    that occur in the labels, over the whole batch or, with `per_image`, in each image
    and then over the images. Images without a valid pixel do not count; a batch without
    any has loss 0 and zero gradients.

    Args:
        per_image: Whether regions are those of one image, not of the batch.
        ignore_label: Label value that does not count; `None` if all count.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Integer labels (B, H, W), below the number of classes or
            `ignore_label`.
        y_pred: Logits (B, H, W, classes).

    Returns (of a call):
        Scalar loss in float32. Under a `tf.distribute` strategy it is computed for
        each device, on its part of the batch, and divided by their number, as Keras's
        own losses are.
    """

    def __init__(
        self, per_image: bool = False, ignore_label: Int32 | None = 255, **kwargs
    ):
        check_call(type(self).__name__, RegionLoss.__init__, locals())
        super().__init__(**kwargs)
        self.per_image = per_image
        self.ignore_label = ignore_label

    def call(self, y_true, y_pred):
        """Returns the loss as a vector of one: Keras scales vectors by replicas."""
        labels, valid = valid_labels(y_true, self.ignore_label)
        check_scores(y_pred)
        classes = y_pred.shape[-1]
        # Neither `one_hot` nor a sum sees a wrong label: make it seen.
        counts = ops.where(
            labels < classes, ops.cast(valid, y_pred.dtype), float("nan")
        )
        truth = ops.one_hot(labels, classes, dtype=y_pred.dtype) * counts[..., None]
        probabilities = ops.softmax(y_pred) * counts[..., None]
        groups = ops.shape(y_pred)[0] if self.per_image else 1
        truth = ops.reshape(truth, (groups, -1, classes))
        probabilities = ops.reshape(probabilities, (groups, -1, classes))
        losses = self.class_losses(truth, probabilities)
        occurs = ops.max(truth, axis=1)
        has_pixels = ops.max(occurs, axis=-1)
        losses = _masked_mean(losses, self.averaged(occurs))
        return ops.reshape(_masked_mean(losses, has_pixels), (1,))

    def class_losses(self, truth, probabilities):
        """Returns the loss of each class in each group of pixels, (groups, classes).

        `truth` is one-hot (groups, pixels, classes), all 0 where ignored;
        `probabilities` likewise the softmax.
        """
        raise NotImplementedError

    def averaged(self, occurs):
        """Returns 1 for classes that count, 0 for others: (groups, classes)."""
        return occurs

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "per_image": self.per_image,
            "ignore_label": self.ignore_label,
        }


@register_class
class DiceLoss(RegionLoss):
    """One minus the Dice coefficient of softmax and labels, averaged over classes.

    Of a class that is `keras.losses.dice`: 1 - 2 sum(t p) / (sum(t) + sum(p)), where t
    is 1 on its pixels and p its probability. There is no smoothing term. Classes that
    do not occur are left out: their loss would be 1 whatever the network says.

    Args:
        per_image: Whether regions are those of one image, not of the batch.
        ignore_label: Label value that does not count; `None` if all count.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments and returns: as `RegionLoss`.

    Reference:
        Milletari et al., "V-Net", 3DV 2016.
    """

    def __init__(
        self,
        per_image: bool = False,
        ignore_label: Int32 | None = 255,
        name: str = "dice_loss",
        **kwargs,
    ):
        check_call("DiceLoss", DiceLoss.__init__, locals())
        super().__init__(
            per_image=per_image, ignore_label=ignore_label, name=name, **kwargs
        )

    def class_losses(self, truth, probabilities):
        """Returns Keras's Dice loss of each class."""
        return keras.losses.dice(truth, probabilities, axis=1)


@register_class
class LovaszSoftmax(RegionLoss):
    """Lovasz extension of the Jaccard loss 1 - IoU, averaged over classes.

    The error of a pixel for a class is |t - p|, where t is 1 on the class's pixels and
    p its softmax probability. The errors are sorted, the largest first, and each is
    multiplied with what its pixel adds to 1 - IoU when the pixels are taken for wrong
    ones in this order.

    Every class's errors are sorted at each step: pixels times classes numbers. It is
    mostly added to a cross entropy, or used to fine-tune.

    Args:
        classes: `"present"` averages over the classes that occur in the labels, `"all"`
            over all; of a class that does not occur the loss is its largest error.
        per_image: Whether IoU is that of one image, not of the batch.
        ignore_label: Label value that does not count; `None` if all count.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        InputError: For another value of `classes`.

    Call arguments and returns: as `RegionLoss`.

    Reference:
        Berman et al., "The Lovasz-Softmax loss", CVPR 2018; PaddleSeg's
        `LovaszSoftmaxLoss`. With `per_image`, images without a valid pixel do not
        count; in the authors' code they count with loss 0.
    """

    def __init__(
        self,
        classes: Literal["present", "all"] = "present",
        per_image: bool = False,
        ignore_label: Int32 | None = 255,
        name: str = "lovasz_softmax",
        **kwargs,
    ):
        check_call("LovaszSoftmax", LovaszSoftmax.__init__, locals())
        super().__init__(
            per_image=per_image, ignore_label=ignore_label, name=name, **kwargs
        )
        self.classes = classes

    def class_losses(self, truth, probabilities):
        """Returns the Lovasz extension for each class."""
        # The sign says whether a pixel is of the class. An error of 0 counts as not,
        # which changes nothing: it is last, adds nothing and has no gradient. So have
        # the ignored pixels.
        signed = ops.transpose(truth - probabilities, (0, 2, 1))
        order = ops.argsort(-ops.stop_gradient(ops.abs(signed)), axis=-1)
        signed = ops.take_along_axis(signed, order, axis=-1)
        pixels = ops.sum(truth, axis=1)[..., None]
        gains = _gains(ops.cast(signed > 0, signed.dtype), pixels)
        return ops.sum(ops.abs(signed) * ops.stop_gradient(gains), axis=-1)

    def averaged(self, occurs):
        """Returns 1 for classes that count, 0 for others: (groups, classes)."""
        return occurs if self.classes == "present" else ops.ones_like(occurs)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "classes": self.classes}


def _gains(of_class, pixels):
    """Gains of each pixel to 1 - IoU, when pixels become wrong one after the other.

    With I pixels of the class still right and a union of U pixels, 1 - IoU is
    1 - I / U. A pixel of the class lowers I by one and adds 1 / U; another one raises
    the union to U and adds I / (U - 1) - I / U = I / (U - 1) / U. The differences of
    1 - I / U itself would be mostly rounding: U is in the millions.
    """
    right = pixels - ops.cumsum(of_class, axis=-1)
    union = pixels + ops.cumsum(1 - of_class, axis=-1)
    # A class without pixels: the first wrong one adds all there is.
    added = ops.where(union > 1, right / ops.maximum(union - 1, 1.0), 1.0)
    return ops.where(of_class > 0, 1.0, added) / union


def _masked_mean(values, weights):
    """Mean over the last axis; 0 where all weights, which are 0 or 1, are 0."""
    return ops.sum(values * weights, -1) / ops.maximum(ops.sum(weights, -1), 1.0)
