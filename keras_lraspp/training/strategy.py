"""All the accelerators of one machine, on the backend at hand."""

import contextlib
from collections.abc import Iterator, Sequence

import keras


@contextlib.contextmanager
def all_devices(names: Sequence[str] | None = None) -> Iterator[int]:
    """Distributes what is built and trained inside over several devices.

    TensorFlow: `tf.distribute.MirroredStrategy`. JAX:
    `keras.distribution.DataParallel`. PyTorch: one device. With a single device
    nothing is set up, so that it costs nothing.

    Args:
        names: Devices to use, e.g. `("GPU:0", "GPU:1")`; `None` for all
            accelerators of the machine.

    Yields:
        The number of devices; a global batch is that many times the device batch.

    Example:
        ```python
        with all_devices() as count:
            model = keras_lraspp.LRASPP()
            model.compile(...)
            model.fit(batches_of(4 * count))
        ```
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        with _mirrored(names) as count:
            yield count
    elif backend == "jax":
        with _data_parallel(names) as count:
            yield count
    else:
        yield 1


@contextlib.contextmanager
def _mirrored(names: Sequence[str] | None) -> Iterator[int]:
    import tensorflow as tf

    if names is None:
        names = [device.name for device in tf.config.list_logical_devices("GPU")]
    if len(names) <= 1:
        yield 1
        return
    strategy = tf.distribute.MirroredStrategy(list(names))
    with strategy.scope():
        yield strategy.num_replicas_in_sync


@contextlib.contextmanager
def _data_parallel(names: Sequence[str] | None) -> Iterator[int]:
    if names is None:
        names = keras.distribution.list_devices()
    if len(names) <= 1:
        yield 1
        return
    before = keras.distribution.distribution()
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=list(names), auto_shard_dataset=False)
    )
    try:
        yield len(names)
    finally:
        keras.distribution.set_distribution(before)
