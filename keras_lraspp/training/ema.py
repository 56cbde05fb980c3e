"""Exponential moving average (EMA) of weights, with batch norm statistics to fit."""

import contextlib
from collections.abc import Callable, Iterable, Iterator

import keras
import numpy as np

BATCHES = 50  # that statistics are estimated from
_FORGOTTEN = 20  # of them, in which what was there before fades away


class WeightAverages:
    """The averages that an optimizer keeps, with running statistics that fit them.

    Batch norms' running mean and variance belong to the newest weights. With averaged
    ones a network predicts next to nothing by them, nor by an average of them. So they
    are estimated anew from training images: `batches` returns `BATCHES` batches, the
    same each time.
    """

    def __init__(
        self, network: keras.Model, batches: Callable[[], Iterable[np.ndarray]]
    ):
        optimizer = network.optimizer  # built, with `use_ema=True`
        optimizer = getattr(optimizer, "inner_optimizer", optimizer)  # of a loss scale
        averages = optimizer._model_variables_moving_average
        pairs = zip(optimizer._trainable_variables, averages, strict=True)
        self.network = network
        self.batches = batches
        self._trained = [pair for pair in pairs if pair[1] is not None]
        self._statistics: list[np.ndarray] | None = None

    def estimate(self, worker: keras.Model) -> None:
        """Estimates the running statistics for the averages as they are now.

        The worker is the network or a copy of it, with the averaged weights. Its own
        statistics move; `put_statistics` puts the estimate into the network.
        """
        if statistics_of(worker):
            self._statistics = estimate_statistics(worker, self.batches())

    def put_statistics(self) -> None:
        """Puts the estimated statistics into the network; inside of `in_place`."""
        if self._statistics is not None:
            _assign(statistics_of(self.network), self._statistics)

    @contextlib.contextmanager
    def in_place(self, *, estimated: bool = True) -> Iterator[None]:
        """Puts averages and, if `estimated`, their statistics into the network, inside.

        Its own come back at the end to the last bit, also after an error. Without
        `estimated`, `estimate` starts from the network's own statistics: the same after
        a resume, when nothing was estimated before.
        """
        statistics = statistics_of(self.network)
        variables = [own for own, _ in self._trained] + statistics
        before = [_copied(variable) for variable in variables]
        try:
            for own, average in self._trained:
                own.assign(_copied(average))
            if estimated:
                self.put_statistics()
            yield
        finally:
            _assign(variables, before)


def statistics_of(network: keras.Model) -> list[keras.Variable]:
    """Returns the running means and variances: what moves without being trained."""
    return [
        variable
        for variable in network.non_trainable_variables
        if keras.backend.is_float_dtype(variable.dtype)
    ]


def estimate_statistics(
    network: keras.Model, batches: Iterable[np.ndarray]
) -> list[np.ndarray]:
    """Shows `BATCHES` batches to a network and averages its `statistics_of`."""
    step = _step(network)
    sums = [np.zeros(v.shape) for v in statistics_of(network)]
    count = 0
    for number, images in enumerate(batches):
        values = step(images)
        if number >= _FORGOTTEN:
            count += 1
            sums = [a + np.asarray(b) for a, b in zip(sums, values, strict=True)]
    return [(total / count).astype("float32") for total in sums]


def _step(network: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    """Returns a function of images that moves the statistics and returns them."""
    backend = keras.backend.backend()
    if backend == "jax":
        return _jax_step(network)
    forward = _tensorflow_step(network) if backend == "tensorflow" else None

    def step(images):
        if forward is not None:
            forward(images)
        else:
            import torch

            with torch.no_grad():
                network(images, training=True)
        return [keras.ops.convert_to_numpy(v) for v in statistics_of(network)]

    return step


def _tensorflow_step(network: keras.Model) -> Callable:
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()

    @tf.function(reduce_retracing=True)
    def forward(images):
        # On each device, as in training: the statistics are mirrored.
        strategy.run(lambda own: network(own, training=True), args=(images,))

    return forward


def _jax_step(network: keras.Model) -> Callable[[np.ndarray], list[np.ndarray]]:
    import jax

    @jax.jit
    def forward(trained, others, images):
        return network.stateless_call(trained, others, images, training=True)[1]

    trained = [variable.value for variable in network.trainable_variables]
    variables = network.non_trainable_variables
    others = [variable.value for variable in variables]
    positions = [id(variable) for variable in variables]
    wanted = [positions.index(id(variable)) for variable in statistics_of(network)]

    def step(images):
        nonlocal others
        others = forward(trained, others, images)
        return [np.asarray(others[index]) for index in wanted]

    return step


def _assign(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def _copied(variable: keras.Variable) -> np.ndarray:
    # On torch an array may be a view of the variable's own memory; and on JAX no two
    # variables may share theirs.
    return np.array(keras.ops.convert_to_numpy(variable))
