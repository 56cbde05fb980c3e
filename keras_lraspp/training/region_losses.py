"""Losses on the overlap of whole regions: what they share, and Dice."""

import keras
from keras import ops

from keras_lraspp.training.pixel_losses import valid_labels


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

    def __init__(self, per_image=False, ignore_label=255, **kwargs):
        super().__init__(**kwargs)
        self.per_image = per_image
        self.ignore_label = ignore_label

    def call(self, y_true, y_pred):
        """Returns the loss as a vector of one: Keras scales vectors by replicas."""
        labels, valid = valid_labels(y_true, self.ignore_label)
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
        losses = _weighted_mean(losses, self.averaged(occurs))
        return ops.reshape(_weighted_mean(losses, has_pixels), (1,))

    def class_losses(self, truth, probabilities):
        """Returns the loss of each class in each group of pixels.

        Args:
            truth: One-hot labels (groups, pixels, classes), all 0 where ignored.
            probabilities: Likewise the softmax.

        Returns:
            Losses (groups, classes).
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


@keras.saving.register_keras_serializable("keras_lraspp")
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

    def __init__(self, per_image=False, ignore_label=255, name="dice_loss", **kwargs):
        super().__init__(
            per_image=per_image, ignore_label=ignore_label, name=name, **kwargs
        )

    def class_losses(self, truth, probabilities):
        """Returns Keras's Dice loss of each class."""
        return keras.losses.dice(truth, probabilities, axis=1)


def _weighted_mean(values, weights):
    """Mean over the last axis; 0 where all weights, which are 0 or 1, are 0."""
    return ops.sum(values * weights, -1) / ops.maximum(ops.sum(weights, -1), 1.0)
