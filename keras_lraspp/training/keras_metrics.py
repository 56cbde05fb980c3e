"""The score of a segmentation as a Keras metric, for `compile` and `fit`."""

import keras


@keras.saving.register_keras_serializable("keras_lraspp")
class MeanIoU(keras.metrics.MeanIoU):
    """Mean over the classes of intersection over union, from labels and logits.

    Keras's own metric with its arguments set for segmentation. It counts in integers
    under any precision policy, which a float metric would stop doing at 2**24 pixels;
    absent classes are left out of the mean, as by `ConfusionMatrix.miou()`. Pixels
    whose label is neither a class nor ignored are left out as well: a metric inside a
    compiled step cannot refuse them. Before any pixel the result is 0. On JAX, which
    has no 64-bit integers unless told so, a class may have 2**31 pixels between resets.

    Args:
        num_classes: Number of classes C.
        ignore_label: Label of pixels that do not count; `None` if there is none.
        name: Name in the logs.

    Example:
        ```python
        model.compile(optimizer, loss, metrics=[MeanIoU(19)])
        ```
    """

    def __init__(self, num_classes, ignore_label=255, name="miou"):
        super().__init__(
            num_classes,
            name=name,
            dtype="int32" if keras.backend.backend() == "jax" else "int64",
            ignore_class=ignore_label,
            sparse_y_true=True,
            sparse_y_pred=False,
            axis=-1,
        )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch.

        Args:
            y_true: Integers (B, H, W) or (B, H, W, 1), 0..C-1 or the ignore label.
            y_pred: Logits or probabilities (B, H, W, C).
            sample_weight: Whole numbers that broadcast to `y_true`'s shape, or `None`.
        """
        return super().update_state(y_true, y_pred, sample_weight)

    def get_config(self):
        """Returns the arguments of `__init__`."""
        return {
            "num_classes": self.num_classes,
            "ignore_label": self.ignore_class,
            "name": self.name,
        }
