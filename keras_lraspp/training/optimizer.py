"""SGD as the reference does it: L2 inside the gradient, rate outside momentum."""

import keras
from keras import ops

from keras_lraspp.training.base_optimizer import BaseOptimizer


@keras.saving.register_keras_serializable("keras_lraspp")
class SGD(BaseOptimizer):
    """Stochastic gradient descent with momentum and coupled L2.

    One step is g <- g + l2 w; m <- momentum m + g; w <- w - rate m.

    `keras.optimizers.SGD` differs twice: its velocity contains the learning rate,
    so that a changing rate acts late, and its weight decay does not pass through
    the momentum.

    Args:
        learning_rate: Float or `keras.optimizers.schedules.LearningRateSchedule`.
        momentum: In [0, 1).
        l2: Coefficient of the penalty l2 / 2 |w|^2, except for the variables given
            to `exclude_from_weight_decay`.
        name: Name of the optimizer.
        **kwargs: Arguments of `keras.optimizers.Optimizer`, but `weight_decay`.

    Reference:
        PaddlePaddle's `Momentum` with `weight_decay=L2Decay(...)`.
    """

    def __init__(
        self, learning_rate=0.005, momentum=0.9, l2=5e-4, name="sgd", **kwargs
    ):
        super().__init__(learning_rate=learning_rate, name=name, **kwargs)
        self.momentum = momentum
        self.l2 = l2

    def build(self, variables):
        """Makes one momentum per variable."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its momentum."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        if self.l2 and self._use_weight_decay(variable):
            gradient = gradient + self.l2 * variable
        momentum = self.momentums[self._get_variable_index(variable)]
        if _is_one_resource():
            return self._apply(variable, momentum, gradient, rate)
        self.assign(momentum, self.momentum * momentum + gradient)
        self.assign_sub(variable, rate * momentum)

    def _apply(self, variable, momentum, gradient, rate):
        """Both updates in one pass over memory."""
        import tensorflow as tf

        tf.raw_ops.ResourceApplyMomentum(
            var=_resource(variable),
            accum=_resource(momentum),
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self.momentum, gradient.dtype),
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("weight_decay", None)
        return {**config, "momentum": self.momentum, "l2": self.l2}


def _is_one_resource() -> bool:
    """Whether a variable is one of TensorFlow's, not one for each device."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.distribute.has_strategy()


def _resource(variable):
    # Keras hands over its own variables or TensorFlow's.
    own = isinstance(variable, keras.Variable)
    return (variable.value if own else variable).handle


def exclude_backbone_batch_norm(optimizer, model) -> None:
    """Takes scale and shift of the backbone's batch norms out of the L2 penalty.

    The reference decays everything else: convolutions, all biases, and the head's
    batch norms.

    Args:
        optimizer: The optimizer, not yet built.
        model: A model with a `backbone` attribute; others are left as they are.
    """
    backbone = getattr(model, "backbone", None)
    if not isinstance(backbone, keras.Model):
        return
    excluded = [
        variable
        for layer in backbone.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        for variable in (layer.gamma, layer.beta)
    ]
    optimizer.exclude_from_weight_decay(var_list=excluded)
