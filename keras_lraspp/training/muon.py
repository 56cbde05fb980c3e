"""Muon: orthogonal updates for the kernels of convolutions, Adam for the rest."""

from collections.abc import Sequence

from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.schema import Rate, Share, check_argument, check_call
from keras_lraspp.training.optimizer import (
    BaseOptimizer,
    is_one_resource,
    resource_of,
)


@register_class
class Muon(BaseOptimizer):
    """Muon: orthogonal momentum for the matrices of convolutions, Adam for the rest.

    A kernel of k k C_in rows and C_out columns moves by rate u, where
    m <- momentum m + g and u is g + momentum m with all its singular values brought
    near 1 (by `orthogonalized`), times sqrt(max(1, columns / rows)). So what seldom
    occurs in the gradients is learnt as fast as what occurs in all. Depthwise kernels,
    biases, and scales and shifts of batch norms are no such matrices: they take a step
    of Adam (betas 0.9 and 0.99) with `adam_rate` times the rate, as do the kernels of
    `adam_layers`.

    Args:
        learning_rate: Float or `keras.optimizers.schedules.LearningRateSchedule`; what
            fits is about 0.02, for whatever matrix.
        momentum: In [0, 1).
        weight_decay: Decoupled, w <- w - rate weight_decay w, except for the variables
            given to `exclude_from_weight_decay`.
        adam_rate: Rate of Adam, as a share of the learning rate.
        adam_layers: Parts of names of layers that Adam updates; by default the last
            layer, whose gradients are not of features.
        name: Name of the optimizer.
        **kwargs: Arguments of `keras.optimizers.Optimizer`.

    Reference:
        Jordan et al., Muon, https://kellerjordan.github.io/posts/muon. Keras's own
        `Muon` takes it for matrices of two dimensions only, which no convolution has.
    """

    def __init__(
        self,
        learning_rate=0.02,
        momentum: Share = 0.95,
        weight_decay: Rate = 0.02,
        adam_rate: Rate = 0.1,
        adam_layers: Sequence[str] = ("head_classes_conv",),
        name: str = "muon",
        **kwargs,
    ):
        check_call("Muon", Muon.__init__, locals())
        if not callable(learning_rate):  # as schedules are
            check_argument("Muon.learning_rate", learning_rate, Rate)
        super().__init__(
            learning_rate=learning_rate, weight_decay=weight_decay, name=name, **kwargs
        )
        self.momentum = momentum
        self.adam_rate = adam_rate
        self.adam_layers = tuple(adam_layers)

    def build(self, variables):
        """Makes one momentum per variable, and what Adam keeps beside it."""
        if self.built:
            return
        super().build(variables)
        self.momentums = self.add_optimizer_variables(variables, "momentum")
        others = [row for row in variables if not self.is_matrix(row)]
        squares = self.add_optimizer_variables(others, "velocity")
        indices = map(self._get_variable_index, others)
        self._velocities = dict(zip(indices, squares, strict=True))

    def is_matrix(self, variable) -> bool:
        """Says whether a variable gets orthogonal updates."""
        shape = variable.shape
        named = any(part in variable.path for part in self.adam_layers)
        return len(shape) in (2, 4) and shape[-1] > 1 and not named

    def update_step(self, gradient, variable, learning_rate):
        """Updates one variable and its momentum."""
        rate = ops.cast(learning_rate, variable.dtype)
        gradient = ops.cast(gradient, variable.dtype)
        index = self._get_variable_index(variable)
        momentum = self.momentums[index]
        if index in self._velocities:
            velocity = self._velocities[index]
            self._adam(variable, momentum, velocity, gradient, rate * self.adam_rate)
            return
        self.assign(momentum, self.momentum * momentum + gradient)
        update = gradient + self.momentum * momentum
        columns = variable.shape[-1]
        matrix = orthogonalized(ops.reshape(update, (-1, columns)))
        factor = max(1.0, columns / matrix.shape[0]) ** 0.5
        update = ops.reshape(matrix, variable.shape)
        self.assign_sub(variable, rate * factor * update)

    def _adam(self, variable, mean, square, gradient, rate):
        first, second, epsilon = 0.9, 0.99, 1e-8
        step = ops.cast(self.iterations + 1, variable.dtype)
        powers = [ops.power(ops.cast(b, step.dtype), step) for b in (first, second)]
        if is_one_resource():
            import tensorflow as tf

            return tf.raw_ops.ResourceApplyAdam(  # in one pass over memory
                var=resource_of(variable),
                m=resource_of(mean),
                v=resource_of(square),
                beta1_power=powers[0],
                beta2_power=powers[1],
                lr=rate,
                beta1=first,
                beta2=second,
                epsilon=epsilon,
                grad=gradient,
            )
        self.assign(mean, first * mean + (1 - first) * gradient)
        self.assign(square, second * square + (1 - second) * ops.square(gradient))
        rate = rate * ops.sqrt(1 - powers[1]) / (1 - powers[0])
        self.assign_sub(variable, rate * mean / (ops.sqrt(square) + epsilon))

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "adam_rate": self.adam_rate,
            "adam_layers": self.adam_layers,
        }


def orthogonalized(matrix, steps: int = 5):
    """Brings the singular values of a matrix near 1 (0.7 to 1.2), by Newton-Schulz.

    Each step is the polynomial a x + b x^3 + c x^5 of the singular values. Its
    coefficients are Jordan's: they lift small ones fast, and do not quite meet 1.
    """
    a, b, c = 3.4445, -4.7750, 2.0315
    rows, columns = matrix.shape
    x = ops.transpose(matrix) if rows > columns else matrix
    x = x / (ops.sqrt(ops.sum(ops.square(x))) + 1e-7)
    for _ in range(steps):
        square = ops.matmul(x, ops.transpose(x))
        x = a * x + ops.matmul(b * square + c * ops.matmul(square, square), x)
    return ops.transpose(x) if rows > columns else x
