"""Keras's optimizer with its sums of gradients and averages of weights made whole."""

import keras
from keras import ops


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
