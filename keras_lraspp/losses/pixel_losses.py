"""Cross entropy, OHEM, focal and combined losses, with an ignore label."""

from collections.abc import Callable, Sequence
from typing import Annotated

import keras
import numpy as np
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.errors import InputError
from keras_lraspp.losses.fast_ops import kth_smallest, softmax_cross_entropy
from keras_lraspp.schema import Bounds, Count, Int32, Share, check_call

# The reference's guard against a division by zero, as a share of all pixels.
_EPSILON = 1e-5


def valid_labels(y_true, ignore_label: int | None):
    """Returns int32 labels, 0 where ignored, and the mask of the pixels that count."""
    labels = ops.cast(y_true, "int32")
    if ignore_label is None:
        return labels, ops.ones_like(labels, dtype="bool")
    valid = ops.not_equal(labels, ignore_label)
    return ops.where(valid, labels, 0), valid


def check_scores(y_pred) -> None:
    """Refuses scores of one channel: a softmax over it is 1, whatever it holds."""
    if y_pred.shape[-1] == 1:
        raise InputError(
            "The model returns one channel, for which this loss would always be the "
            "same; let it return two classes, or take "
            "keras.losses.BinaryCrossentropy(from_logits=True)."
        )


@register_class
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
        self,
        ignore_label: Int32 | None = 255,
        class_weights=None,
        name: str = "cross_entropy",
        **kwargs,
    ):
        check_call(type(self).__name__, CrossEntropy.__init__, locals())
        super().__init__(name=name, **kwargs)
        self.ignore_label = ignore_label
        self.class_weights = _check_weights(
            f"{type(self).__name__}.class_weights", class_weights
        )

    def call(self, y_true, y_pred):
        """Returns the loss as a vector of one, which Keras then reduces."""
        labels, valid = valid_labels(y_true, self.ignore_label)
        check_scores(y_pred)
        losses = softmax_cross_entropy(labels, y_pred)
        weights = self.select(losses, valid)
        if self.class_weights is not None:
            self._check_number_of_classes(self.class_weights, y_pred.shape[-1])
            factors = _pixel_weights(labels, self.class_weights)
            factors = ops.cast(factors, losses.dtype)
            weights = ops.cast(weights, losses.dtype) * factors
        return _weighted_mean(self.modulate(losses), weights)

    def select(self, losses, valid):
        """Returns the mask of the pixels that count; subclasses choose among them."""
        return valid

    def modulate(self, losses):
        """Returns the pixels' losses from their cross entropies; for subclasses."""
        return losses

    def _check_number_of_classes(self, weights: list[float], classes: int) -> None:
        if len(weights) != classes:
            raise InputError(
                f"{type(self).__name__}.class_weights has {len(weights)} numbers for "
                f"{classes} classes; give one for each class."
            )

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "ignore_label": self.ignore_label,
            "class_weights": self.class_weights,
        }


@register_class
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
        threshold: Share = 0.7,
        min_kept: Count = 130_000,
        ignore_label: Int32 | None = 255,
        class_weights=None,
        name: str = "ohem_cross_entropy",
        **kwargs,
    ):
        check_call("OhemCrossEntropy", OhemCrossEntropy.__init__, locals())
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
        return kth_smallest(confidence, last)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
        }


@register_class
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
        InputError: For a `gamma` outside 0..100; else as `CrossEntropy`.

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
        gamma: Annotated[float, Bounds(0, 100)] = 2.0,
        ignore_label: Int32 | None = 255,
        class_weights=None,
        name: str = "focal_loss",
        **kwargs,
    ):
        check_call("FocalLoss", FocalLoss.__init__, locals())
        super().__init__(ignore_label, class_weights, name=name, **kwargs)
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


@register_class
class CombinedLoss(keras.losses.Loss):
    """The weighted sum of several losses, such as cross entropy and Dice.

    In a configuration:

        train.loss = @CombinedLoss
        CombinedLoss.losses = [@CrossEntropy, @DiceLoss]
        CombinedLoss.weights = [1.0, 0.5]

    Args:
        losses: Of each loss what makes it, called as `loss(ignore_label=...)`, or the
            loss itself, which keeps the label that it ignores.
        weights: A factor for each, at least 0; `None` for ones.
        ignore_label: Label value that does not count; `None` if all count.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`. The sum is reduced; what the losses
            themselves have as `reduction` and `dtype` is not looked at, and one that
            gives several numbers counts with their mean.

    Raises:
        InputError: For no loss, something that is none, or weights that are not finite,
            negative, or not as many as losses.

    Call arguments and returns: as `CrossEntropy`.
    """

    def __init__(
        self,
        losses: Sequence[keras.losses.Loss | Callable[..., keras.losses.Loss]],
        weights: Sequence[float] | None = None,
        ignore_label: Int32 | None = 255,
        name: str = "combined_loss",
        **kwargs,
    ):
        check_call("CombinedLoss", CombinedLoss.__init__, locals())
        super().__init__(name=name, **kwargs)
        self.ignore_label = ignore_label
        if not isinstance(losses, list | tuple):
            raise InputError(
                "CombinedLoss.losses is a list such as [@CrossEntropy, @DiceLoss]."
            )
        self.losses = [_build_loss(loss, ignore_label) for loss in losses]
        self.weights = _check_weights("CombinedLoss.weights", weights)
        if not self.losses:
            raise InputError("CombinedLoss.losses is empty; give it @CrossEntropy.")
        if weights is not None and len(weights) != len(losses):
            raise InputError(
                f"CombinedLoss.weights has {len(weights)} numbers for {len(losses)} "
                "losses; give one for each."
            )

    def call(self, y_true, y_pred):
        """Returns the sum as a vector of one: Keras scales vectors by replicas."""
        weights = self.weights or [1.0] * len(self.losses)
        # Not `loss(...)`, which would scale each as well.
        total = sum(
            weight * ops.mean(loss.call(y_true, y_pred))
            for loss, weight in zip(self.losses, weights, strict=True)
        )
        return ops.reshape(total, (1,))

    def get_config(self):
        """Returns the constructor's arguments, the losses serialized."""
        return {
            **super().get_config(),
            "losses": [keras.losses.serialize(loss) for loss in self.losses],
            "weights": self.weights,
            "ignore_label": self.ignore_label,
        }

    @classmethod
    def from_config(cls, config):
        """Makes the loss that has this configuration."""
        losses = [keras.losses.deserialize(loss) for loss in config["losses"]]
        return cls(**{**config, "losses": losses})


def _build_loss(factory, ignore_label) -> keras.losses.Loss:
    loss = factory
    if not isinstance(factory, keras.losses.Loss) and callable(factory):
        loss = factory(ignore_label=ignore_label)
    if not isinstance(loss, keras.losses.Loss):
        raise InputError(
            f"CombinedLoss.losses has losses such as @CrossEntropy, not {factory!r}."
        )
    return loss


def _check_weights(name: str, weights: Sequence[float] | None) -> list[float] | None:
    """Checks weights as far as is possible without knowing how many there must be."""
    if weights is None:
        return None
    try:
        numbers = np.asarray(weights, dtype=np.float64)
    except (OverflowError, TypeError, ValueError):
        numbers = np.array(np.nan)
    fits = numbers.ndim == 1 and np.isfinite(numbers).all() and (numbers >= 0).all()
    if not fits or not numbers.any():
        raise InputError(
            f"{name} is a list of finite numbers, none below 0 and not all 0, not "
            f"{weights!r}."
        )
    return numbers.tolist()


def _pixel_weights(labels, class_weights: Sequence[float]):
    """Looks up the weight of each pixel's class, float32 (B, H, W)."""
    # Scaled to a mean of 1 over the classes. In a weighted mean that changes nothing,
    # but its guard stays small for small weights too.
    scaled = np.asarray(class_weights) / np.mean(class_weights)
    return ops.take(ops.convert_to_tensor(scaled, dtype="float32"), labels)


def _weighted_mean(losses, weights):
    """Weighted mean over the pixels, as (1,): Keras scales vectors by replicas."""
    weights = ops.cast(weights, losses.dtype)
    pixels = ops.cast(ops.prod(ops.shape(weights)), losses.dtype)
    mean = ops.sum(losses * weights) / (ops.sum(weights) + _EPSILON * pixels)
    return ops.reshape(mean, (1,))
