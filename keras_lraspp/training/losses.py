"""Per-pixel losses on logits and integer labels with an ignored value."""

import keras
from keras import ops

from keras_lraspp.training.pixel_losses import (
    checked_weights,
    class_weights_of,
    mean_over,
    valid_labels,
)
from keras_lraspp.training.selection import value_of_rank
from keras_lraspp.training.softmax_cross_entropy import softmax_cross_entropy


@keras.saving.register_keras_serializable("keras_lraspp")
class CrossEntropy(keras.losses.Loss):
    """Softmax cross entropy, averaged over the pixels that are not ignored.

    `keras.losses.SparseCategoricalCrossentropy(ignore_class=...)` gives the same
    number with two more passes over the logits. A batch without any valid pixel
    has loss 0 and zero gradients.

    With `class_weights` the mean is weighted: the sum of w l over the sum of w, where
    w is the weight of a pixel's class and l its cross entropy. Only the ratios of the
    weights matter. Source: PaddleSeg's `CrossEntropyLoss(weight=...)`, which is
    PyTorch's.

    Args:
        ignore_label: Label value that does not count; `None` if all count.
        class_weights: One number for each class, at least 0; `None` for equal ones.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Raises:
        InputError: For class weights that are no such numbers; when called, if there
            are not as many as classes.

    Call arguments:
        y_true: Integer labels (B, H, W), below the number of classes or
            `ignore_label`.
        y_pred: Logits (B, H, W, classes).

    Returns (of a call):
        Scalar loss in float32. Under a `tf.distribute` strategy it is computed for
        each device and divided by their number, as Keras's own losses are.
    """

    def __init__(
        self, ignore_label=255, class_weights=None, name="cross_entropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        self.ignore_label = ignore_label
        self.class_weights = checked_weights(
            f"{type(self).__name__}.class_weights", class_weights
        )

    def call(self, y_true, y_pred):
        """Returns the loss as a vector of one, which Keras then reduces."""
        labels, valid = valid_labels(y_true, self.ignore_label)
        losses = softmax_cross_entropy(labels, y_pred)
        weights = self.select(losses, valid)
        if self.class_weights is not None:
            weights = ops.cast(weights, losses.dtype) * ops.cast(
                class_weights_of(
                    labels, self.class_weights, y_pred.shape[-1], type(self).__name__
                ),
                losses.dtype,
            )
        return mean_over(self.modulate(losses), weights)

    def select(self, losses, valid):
        """Returns the mask of the pixels that count: here, all valid ones."""
        return valid

    def modulate(self, losses):
        """Returns the pixels' losses from their cross entropies: here, the same."""
        return losses

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "ignore_label": self.ignore_label,
            "class_weights": self.class_weights,
        }


@keras.saving.register_keras_serializable("keras_lraspp")
class OhemCrossEntropy(CrossEntropy):
    """Cross entropy over the hardest pixels (online hard example mining).

    A pixel's confidence p is the softmax probability of its true class. Kept are
    the valid pixels with p below max(s, `threshold`), where s is the
    `min_kept`-th smallest confidence; with at most `min_kept` valid pixels, all of
    them. No gradient flows through the choice.

    Source: PaddleSeg's `OhemCrossEntropyLoss`; the defaults are those of its LRASPP
    runs, for one device's batch of 4 crops of 1024x512. It has no class weights: here
    they weigh the mean over the kept pixels, as in `CrossEntropy`, and have no part in
    the choice, so that a pixel is hard by its confidence alone.

    Args:
        threshold: Confidence below which a pixel always counts, in (0, 1).
        min_kept: Number of pixels that always count, if there are as many.
        ignore_label: Label value that does not count; `None` if all count.
        class_weights: As of `CrossEntropy`.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments, returns and errors: as `CrossEntropy`.
    """

    def __init__(
        self,
        threshold=0.7,
        min_kept=130_000,
        ignore_label=255,
        class_weights=None,
        name="ohem_cross_entropy",
        **kwargs,
    ):
        super().__init__(ignore_label, class_weights, name=name, **kwargs)
        self.threshold = threshold
        self.min_kept = min_kept

    def select(self, losses, valid):
        """Returns the mask of the hard pixels."""
        losses = ops.cast(ops.stop_gradient(losses), "float32")
        confidence = ops.where(valid, ops.exp(-losses), 2.0)  # ignored ones last
        limit = ops.cond(
            ops.sum(ops.cast(valid, "int32")) <= self.min_kept,
            lambda: ops.convert_to_tensor(1.5, confidence.dtype),
            lambda: self._limit(confidence),
        )
        return confidence < limit

    def _limit(self, confidence):
        easiest = ops.convert_to_tensor(self.threshold, confidence.dtype)
        # Early in training there are many hard pixels, and the search can be left
        # out: the min_kept-th smallest confidence is below the threshold.
        hard = ops.sum(ops.cast(confidence <= self.threshold, "int32"))
        return ops.cond(
            hard >= self.min_kept,
            lambda: easiest,
            lambda: self._smallest(confidence),
        )

    def _smallest(self, confidence):
        # Not reached with fewer pixels, but TensorFlow looks at all branches.
        last = ops.minimum(self.min_kept, ops.size(confidence)) - 1
        return value_of_rank(confidence, last)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
        }
