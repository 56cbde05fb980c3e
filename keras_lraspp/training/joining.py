"""Joining the other processes of a training on several machines, and leaving them."""

import atexit
import contextlib
import os
import re
import socket
import sys
import time
from collections.abc import Iterator

import keras

from keras_lraspp.errors import DivergedError, InputError, StorageError, UserError
from keras_lraspp.training.cluster import Place
from keras_lraspp.training.hosts import ONE, Hosts

# What the collectives and JAX's coordination say when a process is gone.
_LOST = re.compile(r"gloo|nccl|coordination|connection (closed|reset)", re.I)

_LAST_WORDS = 3.0  # seconds
# Seconds for process 0 to start. JAX's own time is 300, and ends in an abort.
_PATIENCE = 240.0


@contextlib.contextmanager
def several_hosts(place: Place | None) -> Iterator[Hosts]:
    """Joins the other processes of a training, if there are any.

    Nothing may have been computed on JAX before. Who joined stays until the process
    ends; a further training in the same process then needs no place. If a process
    leaves this block by an error of its own, its end does not wait for the others, and
    has the error's exit code.

    Args:
        place: Of this process; `None` if it is alone, or has joined already.

    Yields:
        The processes.

    Raises:
        InputError: On another backend than JAX, or if the others do not answer.
        StorageError: If the others are gone while this process works.
    """
    hosts = _join(place)
    if not hosts.several:
        yield hosts
        return
    try:
        yield hosts
    except UserError as error:
        # The numbers are the same everywhere, so all processes diverge together.
        diverged = isinstance(error, DivergedError)
        if not (diverged or getattr(error, "everywhere", False)):
            _leave_without_others(hosts, error.exit_code)
        raise
    except (ValueError, RuntimeError) as error:
        _leave_without_others(hosts, StorageError.exit_code if _lost(error) else 1)
        if not _lost(error):
            raise
        raise StorageError(
            f"Process {hosts.index} lost the other processes; see what they say, then "
            f"start all with --resume."
        ) from error
    except BaseException:
        _leave_without_others(hosts, 1)
        raise


def _join(place: Place | None) -> Hosts:
    backend = keras.backend.backend()
    if backend != "jax":
        if place is None:
            return ONE
        raise InputError(
            f"Several processes train together on JAX, not on {backend}; pip install "
            f"keras-lraspp[jax], set KERAS_BACKEND=jax and start the same command."
        )
    import jax

    if not _joined():
        if place is None:
            return ONE
        _initialize(place)
    return Hosts(jax.process_count(), jax.process_index())


def _joined() -> bool:
    import jax

    asked = getattr(jax.distributed, "is_initialized", None)  # since JAX 0.5.1
    return asked is not None and asked()


def _initialize(place: Place) -> None:
    import jax

    if place.coordinator is not None:
        print(
            f"process {place.process} of {place.processes}: meeting the others at "
            f"{place.coordinator}, within {_PATIENCE:g} s",
            flush=True,
        )
        if place.process:
            _wait_for(place.coordinator)
    if jax.config.jax_cpu_collectives_implementation is None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        keras.distribution.initialize(*place)
    except (RuntimeError, ValueError) as error:
        where = place.coordinator or "the address that the cluster names"
        raise InputError(
            f"Cannot join the other processes at {where}: "
            f"{' '.join(str(error).split())[:300]} Check --coordinator=HOST:PORT, "
            f"--processes=N and --process=I."
        ) from error


def _wait_for(coordinator: str) -> None:
    """Waits until something listens there."""
    host, port = coordinator.rsplit(":", 1)
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=5).close()
            return
        except (OSError, OverflowError) as error:
            if time.monotonic() > end:
                raise InputError(
                    f"Process 0 does not answer at {coordinator} ({error}); start it "
                    f"there, or correct --coordinator=HOST:PORT."
                ) from error
        time.sleep(0.2)


def _lost(error: Exception) -> bool:
    return bool(_LOST.search(str(error)))


def _leave_without_others(hosts: Hosts, code: int) -> None:
    """Lets the end of this process end the others, too.

    JAX's own end waits minutes for them, and they wait for this process.
    """

    def leave():
        if hosts.first:  # its end kills the others, who may have words of their own
            time.sleep(_LAST_WORDS)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
