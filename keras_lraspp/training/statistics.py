"""Running statistics of batch norms, estimated anew for the weights as they are."""

from collections.abc import Callable, Iterable

import keras
import numpy as np

BATCHES = 50
_FORGOTTEN = 20  # of them, in which what was there before fades away


def statistics_of(network: keras.Model) -> list[keras.Variable]:
    """Returns what moves in a network without being trained: means and variances."""
    return [
        variable
        for variable in network.non_trainable_variables
        if keras.backend.is_float_dtype(variable.dtype)
    ]


def estimate_statistics(
    network: keras.Model, batches: Iterable[np.ndarray]
) -> list[np.ndarray]:
    """Shows training images to a network and averages its running statistics.

    Args:
        network: Its running statistics move.
        batches: `BATCHES` batches of images.

    Returns:
        A value for each of `statistics_of(network)`.
    """
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
    places = [id(variable) for variable in variables]
    wanted = [places.index(id(variable)) for variable in statistics_of(network)]

    def step(images):
        nonlocal others
        others = forward(trained, others, images)
        return [np.asarray(others[place]) for place in wanted]

    return step
