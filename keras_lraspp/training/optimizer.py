"""SGD with coupled L2, weight averages, gradient accumulation and freezing."""

from collections.abc import Iterator, Sequence

import keras
from keras import ops

from keras_lraspp.arguments import register_class
from keras_lraspp.errors import InputError
from keras_lraspp.schema import Rate, Share, check_argument, check_call


class BaseOptimizer(keras.optimizers.Optimizer):
    """`keras.optimizers.Optimizer` where two of its options lack something.

    `gradient_accumulation_steps` works under a `tf.distribute` strategy too. What is
    summed up is then the same on all replicas, so that a checkpoint in between has all
    of it.

    `use_ema` averages the weights once per update. Keras does it after every batch,
    also where gradients are only added up and weights stay as they are, so that an
    average would reach less far back with every batch more to an update.
    """

    def _backend_apply_gradients(self, grads, trainable_variables):
        if not (self.gradient_accumulation_steps and _replicas() > 1):
            super()._backend_apply_gradients(grads, trainable_variables)
            return
        import tensorflow as tf

        # Keras decides by a condition on each replica, inside of which replicas cannot
        # exchange anything. So they all come together, and one condition is for all.
        tf.distribute.get_replica_context().merge_call(
            self._add_or_update, args=(grads, trainable_variables)
        )
        if self.use_ema:
            self._update_model_variables_moving_average(self._trainable_variables)

    def _add_or_update(self, strategy, grads, variables) -> None:
        """Runs on all replicas at once what the number of the batch asks for."""
        on_each = strategy.extended.call_for_each_replica
        ops.cond(
            self._is_update(),
            lambda: on_each(self._update_by_sum, args=(grads, variables)),
            lambda: on_each(self._add, args=(grads, variables)),
        )

    def _add(self, grads, variables) -> None:
        """Adds the gradients of all replicas to the sums of each."""
        pairs = list(zip(grads, variables, strict=True))
        reduced = [gradient for gradient, _ in self._all_reduce_sum_gradients(pairs)]
        self._backend_increment_gradient_accumulators(reduced, self._sums(variables))

    def _update_by_sum(self, grads, variables) -> None:
        steps = self.gradient_accumulation_steps
        # Each replica gives its part of the sum: the update adds them up.
        parts = [sum_ / _replicas() for sum_ in self._sums(variables)]
        grads = [(own + part) / steps for own, part in zip(grads, parts, strict=True)]
        grads = self._clip_gradients(grads)
        self._apply_weight_decay(variables)
        self._backend_update_step(grads, variables, self.learning_rate)
        self._backend_reset_gradient_accumulators()

    def _sums(self, variables) -> list:
        indices = map(self._get_variable_index, variables)
        return [self._accumulated_gradients[index] for index in indices]

    def _is_update(self):
        return (self._iterations + 1) % self.gradient_accumulation_steps == 0

    def _update_model_variables_moving_average(self, trainable_variables):
        # Until the first update, the average is the weights themselves.
        momentum = ops.where(self.iterations == 0, 0.0, self.ema_momentum)
        if self.gradient_accumulation_steps:
            changed = ops.logical_or(self._is_update(), self.iterations == 0)
            momentum = ops.where(changed, momentum, 1.0)
        averages = self._model_variables_moving_average
        for variable, average in zip(trainable_variables, averages, strict=True):
            if average is not None:
                own = ops.cast(momentum, variable.dtype)
                average.assign(own * average + (1 - own) * variable)


def _replicas() -> int:
    if keras.backend.backend() != "tensorflow":
        return 1
    import tensorflow as tf

    return tf.distribute.get_strategy().num_replicas_in_sync


@register_class
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
        self,
        learning_rate=0.005,
        momentum: Share = 0.9,
        l2: Rate = 5e-4,
        name: str = "sgd",
        **kwargs,
    ):
        check_call("SGD", SGD.__init__, locals())
        if not callable(learning_rate):  # as schedules are
            check_argument("SGD.learning_rate", learning_rate, Rate)
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
        if is_one_resource():
            return self._apply(variable, momentum, gradient, rate)
        self.assign(momentum, self.momentum * momentum + gradient)
        self.assign_sub(variable, rate * momentum)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        own = type(self).update_step is SGD.update_step
        if not (own and _can_apply_together(grads, trainable_variables)):
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        self._apply_together(list(grads), trainable_variables, float(learning_rate))

    def _apply_together(self, grads, variables, rate: float) -> None:
        """Updates all variables on PyTorch, by one kernel for each decay."""
        import torch
        from torch.optim.sgd import sgd

        groups = {}  # values, gradients and momentums by their decay
        for gradient, variable in zip(grads, variables, strict=True):
            momentum = self.momentums[self._get_variable_index(variable)].value
            decay = self.l2 if self._use_weight_decay(variable) else 0.0
            row = variable.value, gradient.contiguous(), momentum
            groups.setdefault(decay, []).append(row)
        with torch.no_grad():
            for decay, rows in groups.items():
                # The kernel goes over memory and does not ask how it is laid out.
                fused = all(tensor.is_contiguous() for row in rows for tensor in row)
                sgd(
                    *map(list, zip(*rows, strict=True)),
                    fused=fused,
                    foreach=not fused,
                    weight_decay=decay,
                    momentum=self.momentum,
                    lr=rate,
                    dampening=0.0,
                    nesterov=False,
                    maximize=False,
                )

    def _apply(self, variable, momentum, gradient, rate):
        """Both updates in one pass over memory."""
        import tensorflow as tf

        tf.raw_ops.ResourceApplyMomentum(
            var=resource_of(variable),
            accum=resource_of(momentum),
            lr=rate,
            grad=gradient,
            momentum=tf.cast(self.momentum, gradient.dtype),
        )

    def get_config(self):
        """Returns the constructor's arguments."""
        config = super().get_config()
        config.pop("weight_decay", None)
        return {**config, "momentum": self.momentum, "l2": self.l2}


def _can_apply_together(grads, variables) -> bool:
    """Whether it is PyTorch, with each gradient in its variable's dtype."""
    if keras.backend.backend() != "torch":
        return False
    pairs = zip(grads, variables, strict=True)
    return all(gradient.dtype == variable.value.dtype for gradient, variable in pairs)


def is_one_resource() -> bool:
    """Whether a variable is one of TensorFlow's, not one for each device."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return not tf.distribute.has_strategy()


def resource_of(variable):
    """Returns the handle of a variable that is Keras's own or TensorFlow's."""
    own = isinstance(variable, keras.Variable)
    return (variable.value if own else variable).handle


def exclude_backbone_batch_norm(optimizer, model) -> None:
    """Takes scale and shift of the backbone's batch norms out of the L2 penalty.

    The reference decays everything else: convolutions, all biases, and the head's
    batch norms. The optimizer is not built yet; a model without a `backbone` is left
    as it is.
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


def optimizer_options(ema_momentum: float | None, accumulation: int) -> dict:
    """Returns Keras's arguments for `train.ema_momentum` and `train.accumulation`."""
    options = {}
    if ema_momentum is not None:
        if not 0 < ema_momentum < 1:
            raise InputError(
                f"train.ema_momentum is between 0 and 1, as 0.999, not {ema_momentum}; "
                f"correct it, or None for no average."
            )
        options |= {"use_ema": True, "ema_momentum": float(ema_momentum)}
    if accumulation < 1:
        raise InputError(
            f"train.accumulation is a number of batches from 1, not {accumulation}; "
            f"correct it."
        )
    if accumulation > 1:
        options["gradient_accumulation_steps"] = accumulation
    return options


def check_devices(optimizer: keras.optimizers.Optimizer, devices: int) -> None:
    """Refuses a Keras optimizer that is to accumulate on several TensorFlow devices."""
    if not optimizer.gradient_accumulation_steps or devices == 1:
        return
    ours = isinstance(optimizer, BaseOptimizer)
    if keras.backend.backend() == "tensorflow" and not ours:
        raise InputError(
            f"{type(optimizer).__name__} cannot accumulate gradients on {devices} "
            f"devices of TensorFlow; train with SGD of keras_lraspp, without "
            f"train.accumulation, or on one device."
        )


def freeze(network: keras.Model, parts: Sequence[str]) -> None:
    """Takes the backbone or all batch norms out of training, before `compile`.

    A frozen batch norm normalises with its running statistics, in training too, and
    they do not move.
    """
    for part in parts:
        if part not in ("backbone", "batch_norm"):
            raise InputError(
                f"train.frozen is made of backbone and batch_norm, not {part!r}; "
                f"correct it."
            )
    if "backbone" in parts:
        backbone = getattr(network, "backbone", None)
        if not isinstance(backbone, keras.Model):
            raise InputError(
                f"{network.name} has no backbone to freeze; take it out of "
                f"train.frozen."
            )
        backbone.trainable = False
    if "batch_norm" in parts:
        for layer in _batch_norms(network):
            layer.trainable = False


def _batch_norms(network: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _batch_norms(layer)
        elif isinstance(layer, keras.layers.BatchNormalization):
            yield layer
