"""A weighted sum of losses."""

from collections.abc import Callable, Sequence

import keras
from keras import ops

from keras_lraspp.errors import InputError
from keras_lraspp.training.pixel_losses import checked_weights


@keras.saving.register_keras_serializable("keras_lraspp")
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
        ignore_label: int | None = 255,
        name: str = "combined_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.ignore_label = ignore_label
        if not isinstance(losses, list | tuple):
            raise InputError(
                "CombinedLoss.losses is a list such as [@CrossEntropy, @DiceLoss]."
            )
        self.losses = [_made(loss, ignore_label) for loss in losses]
        self.weights = checked_weights("CombinedLoss.weights", weights)
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


def _made(loss, ignore_label):
    made = loss
    if not isinstance(loss, keras.losses.Loss) and callable(loss):
        made = loss(ignore_label=ignore_label)
    if not isinstance(made, keras.losses.Loss):
        raise InputError(
            f"CombinedLoss.losses has losses such as @CrossEntropy, not {loss!r}."
        )
    return made
