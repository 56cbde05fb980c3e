"""Per-pixel losses on logits and integer labels with an ignored value."""

import keras
from keras import ops

# The reference's guard against a division by zero, as a share of all pixels.
_EPSILON = 1e-5


@keras.saving.register_keras_serializable("keras_lraspp")
class CrossEntropy(keras.losses.Loss):
    """Softmax cross entropy, averaged over the pixels that are not ignored.

    `keras.losses.SparseCategoricalCrossentropy(ignore_class=...)` gives the same
    number with two more passes over the logits. A batch without any valid pixel
    has loss 0 and zero gradients.

    Args:
        ignore_label: Label value that does not count; `None` if all count.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments:
        y_true: Integer labels (B, H, W), below the number of classes or
            `ignore_label`.
        y_pred: Logits (B, H, W, classes).

    Returns (of a call):
        Scalar loss in float32. Under a `tf.distribute` strategy it is computed for
        each device and divided by their number, as Keras's own losses are.
    """

    def __init__(self, ignore_label=255, name="cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.ignore_label = ignore_label

    def call(self, y_true, y_pred):
        """Returns the loss as a vector of one, which Keras then reduces."""
        losses, valid = _pixel_losses(y_true, y_pred, self.ignore_label)
        return _mean_over(losses, self.select(losses, valid))

    def select(self, losses, valid):
        """Returns the mask of the pixels that count: here, all valid ones."""
        return valid

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "ignore_label": self.ignore_label}


@keras.saving.register_keras_serializable("keras_lraspp")
class OhemCrossEntropy(CrossEntropy):
    """Cross entropy over the hardest pixels (online hard example mining).

    A pixel's confidence p is the softmax probability of its true class. Kept are
    the valid pixels with p below max(s, `threshold`), where s is the
    `min_kept`-th smallest confidence; with at most `min_kept` valid pixels, all of
    them. No gradient flows through the choice.

    Source: PaddleSeg's `OhemCrossEntropyLoss`; the defaults are those of its LRASPP
    runs, for one device's batch of 4 crops of 1024x512.

    Args:
        threshold: Confidence below which a pixel always counts, in (0, 1).
        min_kept: Number of pixels that always count, if there are as many.
        ignore_label: Label value that does not count; `None` if all count.
        name: Name of the loss.
        **kwargs: Arguments of `keras.losses.Loss`.

    Call arguments and returns: as `CrossEntropy`.
    """

    def __init__(
        self,
        threshold=0.7,
        min_kept=130_000,
        ignore_label=255,
        name="ohem_cross_entropy",
        **kwargs,
    ):
        super().__init__(ignore_label=ignore_label, name=name, **kwargs)
        self.threshold = threshold
        self.min_kept = min_kept

    def select(self, losses, valid):
        """Returns the mask of the hard pixels."""
        losses = ops.stop_gradient(losses)
        confidence = ops.where(valid, ops.exp(-losses), 2.0)  # ignored ones last
        limit = ops.cond(
            ops.sum(ops.cast(valid, "int32")) <= self.min_kept,
            lambda: ops.convert_to_tensor(1.5, confidence.dtype),
            lambda: self._limit(confidence),
        )
        return confidence < limit

    def _limit(self, confidence):
        easiest = ops.convert_to_tensor(self.threshold, confidence.dtype)
        # Early in training there are many hard pixels, and the costly sort can be
        # left out: the min_kept-th smallest confidence is below the threshold.
        hard = ops.sum(ops.cast(confidence <= self.threshold, "int32"))
        return ops.cond(
            hard >= self.min_kept,
            lambda: easiest,
            lambda: self._smallest(ops.reshape(confidence, (-1,))),
        )

    def _smallest(self, confidence):
        # Not reached with fewer pixels, but TensorFlow looks at all branches.
        last = ops.minimum(self.min_kept, ops.shape(confidence)[0]) - 1
        return ops.sort(confidence)[last]

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "threshold": self.threshold,
            "min_kept": self.min_kept,
        }


def _pixel_losses(y_true, y_pred, ignore_label):
    labels = ops.cast(y_true, "int32")
    if ignore_label is None:
        valid = ops.ones_like(labels, dtype="bool")
    else:
        valid = ops.not_equal(labels, ignore_label)
        labels = ops.where(valid, labels, 0)
    return _cross_entropy(labels, y_pred), valid


def _cross_entropy(labels, logits):
    """Softmax cross entropy of each pixel; on TensorFlow half of the kernel's time."""
    if keras.backend.backend() != "tensorflow":
        return ops.sparse_categorical_crossentropy(labels, logits, from_logits=True)
    import tensorflow as tf

    logits = tf.convert_to_tensor(logits)
    classes = logits.shape[-1]

    @tf.custom_gradient
    def losses_of(logits):
        probabilities = tf.nn.softmax(logits)
        true_logit = tf.gather(logits, labels, batch_dims=len(labels.shape))
        # The logarithm of the true class's probability would overflow far from it;
        # the largest probability is at least 1 / classes.
        losses = (tf.reduce_max(logits, -1) - true_logit) - tf.math.log(
            tf.reduce_max(probabilities, -1)
        )
        # On a GPU `gather` and `one_hot` take any label: make a wrong one seen.
        losses = tf.where(labels < classes, losses, float("nan"))

        def gradient(upstream):
            true = tf.one_hot(labels, classes, dtype=logits.dtype)
            return upstream[..., None] * (probabilities - true)

        return losses, gradient

    return losses_of(logits)


def _mean_over(losses, mask):
    """Mean of `losses` where `mask`, as (1,): Keras scales vectors by replicas."""
    mask = ops.cast(mask, losses.dtype)
    pixels = ops.cast(ops.prod(ops.shape(mask)), losses.dtype)
    mean = ops.sum(losses * mask) / (ops.sum(mask) + _EPSILON * pixels)
    return ops.reshape(mean, (1,))
