"""Devices: distribution strategy, precision policy and deterministic kernels."""

import contextlib
import math
import os
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import keras

from keras_lraspp.errors import InputError

PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
_JAX_FLAG = "--xla_gpu_deterministic_ops=true"
_CUBLAS = "CUBLAS_WORKSPACE_CONFIG", ":4096:8"


@contextlib.contextmanager
def all_devices(names: Sequence[str] | None = None) -> Iterator[int]:
    """Distributes what is built and trained inside over several devices.

    TensorFlow: `tf.distribute.MirroredStrategy`. JAX:
    `keras.distribution.DataParallel`. PyTorch: one device. With a single device
    nothing is set up, so that it costs nothing.

    On JAX a step computes what one device would for the whole batch: batch statistics
    and the choice of hard pixels are over all devices. TensorFlow's devices each have
    their own, as the reference's. If several processes have joined, it is the devices
    of all of them.

    Args:
        names: Devices to use, e.g. `("GPU:0", "GPU:1")`; `None` for all
            accelerators of the machine.

    Yields:
        The number of devices; a global batch is that many times the device batch.

    Raises:
        InputError: If several processes do not all use equally many devices.

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


def device_scopes(
    names: Sequence[str] | None = None,
) -> list[Callable[[], contextlib.AbstractContextManager]]:
    """Returns one scope per device, to predict on several at once.

    What is called inside a scope runs on its device; the weights are copied there for
    each call, which for networks of this size takes no time to speak of. On JAX and
    PyTorch it is always one: the default device.
    """
    if keras.backend.backend() != "tensorflow":
        return [contextlib.nullcontext]
    import tensorflow as tf

    names = _gpus() if names is None else names
    if len(names) <= 1:
        return [contextlib.nullcontext]
    return [partial(tf.device, name) for name in names]


def _gpus() -> list[str]:
    import tensorflow as tf

    return [device.name for device in tf.config.list_logical_devices("GPU")]


@contextlib.contextmanager
def _mirrored(names: Sequence[str] | None) -> Iterator[int]:
    import tensorflow as tf

    names = _gpus() if names is None else names
    if len(names) <= 1:
        yield 1
        return
    strategy = tf.distribute.MirroredStrategy(list(names))
    with strategy.scope():
        yield strategy.num_replicas_in_sync


@contextlib.contextmanager
def _data_parallel(names: Sequence[str] | None) -> Iterator[int]:
    _check_processes(names)
    if names is None:
        names = keras.distribution.list_devices()
    if len(names) <= 1:
        yield 1
        return
    distribution = keras.distribution.DataParallel(
        devices=[name.lower() for name in names],  # as Keras spells them there
        auto_shard_dataset=False,  # each process reads its own part
    )
    with distribution.scope():
        yield len(names)


def _check_processes(names: Sequence[str] | None) -> None:
    import jax

    if jax.process_count() == 1:
        return
    if names is not None:
        raise InputError(
            "Several processes train on all their devices; leave train.devices out, "
            "and hide devices by CUDA_VISIBLE_DEVICES."
        )
    owners = [device.process_index for device in jax.devices()]
    counts = [owners.count(index) for index in range(jax.process_count())]
    if len(set(counts)) > 1:
        raise InputError(
            f"The processes have {counts} devices, but each needs as many as the "
            f"others; hide some by CUDA_VISIBLE_DEVICES."
        )


def on_cpu() -> bool:
    """Whether the backend has no other device than the CPU."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        return not _gpus()
    if backend == "jax":
        import jax

        return jax.default_backend() == "cpu"
    import torch

    return not (torch.cuda.is_available() or torch.backends.mps.is_available())


def free_memory() -> float:
    """Bytes that this process could have at most on a CPU; infinite if not known.

    More than it will get: what the process has already is taken for free.
    """
    with contextlib.suppress(OSError, KeyError, ValueError, ImportError):
        import resource

        lines = Path("/proc/meminfo").read_text().splitlines()
        machine = {name: int(size[0]) for name, *size in map(str.split, lines)}
        free = 1024 * (machine["MemAvailable:"] + machine["SwapFree:"])
        pages = Path("/proc/self/statm").read_text().split()
        virtual, resident = (int(count) * resource.getpagesize() for count in pages[:2])
        limit = resource.getrlimit(resource.RLIMIT_AS)[0]
        if limit != resource.RLIM_INFINITY:
            free = min(free, limit - virtual)
        return free + resident
    return math.inf


def compute_deterministically() -> None:
    """Makes the backend choose deterministic kernels, for the rest of the process.

    Call it before anything is computed. On JAX with a GPU `XLA_FLAGS` must ask for it:
    JAX reads them once, when it starts.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        os.environ.setdefault(*_CUBLAS)  # cuBLAS reads it when it starts
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    elif backend == "jax":
        import jax

        if jax.default_backend() == "gpu" and not _jax_is_deterministic():
            raise InputError(
                f"train.deterministic on JAX and a GPU needs XLA_FLAGS={_JAX_FLAG} in "
                f"the environment; set it and start again."
            )


def _jax_is_deterministic() -> bool:
    flags = os.environ.get("XLA_FLAGS", "").split()
    return _JAX_FLAG in flags or _JAX_FLAG.removesuffix("=true") in flags


@contextlib.contextmanager
def precision_policy(name: str) -> Iterator[None]:
    """Builds what is built inside with a Keras dtype policy.

    Args:
        name: One of `PRECISIONS`.

    Raises:
        InputError: For another name.
    """
    if name not in PRECISIONS:
        raise InputError(f"precision is one of {PRECISIONS}, not {name!r}.")
    with policy_scope(name):
        yield


@contextlib.contextmanager
def policy_scope(policy: str | keras.DTypePolicy) -> Iterator[None]:
    """Builds the layers inside with a dtype policy in place of the global one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
