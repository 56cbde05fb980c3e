"""Multi-host training on JAX: joining the processes, and collectives between them."""

import atexit
import contextlib
import dataclasses
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import DivergedError, InputError, StorageError, UserError

AUTO = "auto"  # as a coordinator: the one that JAX finds in the cluster's environment
_COORDINATOR_VARIABLES = (
    "KERAS_DISTRIBUTION_JOB_ADDRESSES",
    "JAX_COORDINATOR_ADDRESS",
)
_ADDRESS = re.compile(r"[^\s:,]+:\d{1,5}")

# What the collectives and JAX's coordination say when a process is gone.
_LOST = re.compile(r"gloo|nccl|coordination|connection (closed|reset)", re.I)
_LAST_WORDS = 3.0  # seconds
# Seconds for process 0 to start. JAX's own time is 300, and ends in an abort.
_PATIENCE = 240.0

_ERRORS = {kind.exit_code: kind for kind in (InputError, StorageError, DivergedError)}


@dataclasses.dataclass(frozen=True)
class Hosts:
    """All processes of a training, as one of them sees them.

    What exchanges something is called by all processes in the same order, as every
    collective operation; each call waits for the slowest. With one process nothing
    is exchanged, and nothing waits.
    """

    count: int = 1  # how many processes there are
    index: int = 0  # which one this is, from 0

    @property
    def is_multi(self) -> bool:
        """Whether there is more than one process."""
        return self.count > 1

    @property
    def is_main(self) -> bool:
        """Whether this is process 0, the one that writes and prints."""
        return self.index == 0

    def print(self, text: str) -> None:
        """Prints on process 0 only."""
        if self.is_main:
            print(text)

    def gather(self, content: bytes) -> list[bytes]:
        """Collective: returns the content of each process, in their order."""
        if not self.is_multi:
            return [content]
        from jax.experimental.multihost_utils import process_allgather

        # Bytes, because JAX would make 32 bits of 64.
        sizes = process_allgather(np.int32(len(content))).tolist()
        padded = np.zeros(max(sizes), np.uint8)
        padded[: len(content)] = np.frombuffer(content, np.uint8)
        if not padded.size:
            return [b""] * self.count
        rows = process_allgather(padded)
        return [row[:size].tobytes() for row, size in zip(rows, sizes, strict=True)]

    def largest(self, value: int) -> int:
        """Collective: returns the largest value, of numbers that fit into 32 bits."""
        if not self.is_multi:
            return value
        from jax.experimental.multihost_utils import process_allgather

        return int(process_allgather(np.int32(value)).max())

    def broadcast(self, content: bytes = b"") -> bytes:
        """Collective: returns the content of process 0; the others' is ignored."""
        if not self.is_multi:
            return content
        from jax.experimental.multihost_utils import broadcast_one_to_all

        values = np.frombuffer(content, np.uint8)
        size = int(broadcast_one_to_all(np.int32(len(values))))
        if not size:
            return b""
        values = values if self.is_main else np.zeros(size, np.uint8)
        return np.asarray(broadcast_one_to_all(values), np.uint8).tobytes()

    @contextlib.contextmanager
    def raise_together(self) -> Iterator[None]:
        """Collective: makes an error of one process in this block one of all.

        Without, the others would wait for the one that ended.
        """
        if not self.is_multi:
            yield
            return
        own = None
        try:
            yield
        except UserError as error:
            own = error
        for error in [own, self._error_of_another(own)]:
            if error is not None:
                error.everywhere = True
                raise error

    def check_same(self, **values: int) -> None:
        """Collective: checks that named numbers are the same on all processes."""
        mine = ", ".join(f"{name} {value}" for name, value in values.items())
        everybody = [content.decode() for content in self.gather(mine.encode())]
        for index, theirs in enumerate(everybody):
            if theirs != everybody[0]:
                error = InputError(
                    f"Process {index} has {theirs}, but process 0 {everybody[0]}; "
                    f"start all with the same data and configuration."
                )
                error.everywhere = True
                raise error

    @contextlib.contextmanager
    def local_scope(self) -> Iterator[None]:
        """Makes what is built in this block belong to this process alone."""
        if not self.is_multi:
            yield
            return
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def run_on_main(self, work: Callable[..., object], *arguments) -> None:
        """Collective: calls `work` on process 0, and waits for it on all.

        It may build networks; its result is dropped, and a UserError of it is raised
        on all processes.
        """
        with self.raise_together():
            if self.is_main:
                with self.local_scope():
                    work(*arguments)

    def _error_of_another(self, own: UserError | None) -> UserError | None:
        message = "" if own is None else f"{own.exit_code} {own}"
        for index, theirs in enumerate(self.gather(message.encode())):
            if theirs:
                code, _, text = theirs.decode().partition(" ")
                return _ERRORS[int(code)](f"Process {index}: {text}")
        return None


SINGLE_HOST = Hosts()


class ProcessSpec(NamedTuple):
    """The address and number of a process among those of a training.

    What is `None`, Keras and JAX find in the environment of the cluster: in Keras's
    own variables, or in those of SLURM, Open MPI, Cloud TPU or Kubernetes.
    """

    coordinator: str | None  # `HOST:PORT` at which process 0 listens
    processes: int | None  # how many there are
    process: int | None  # which one this is, from 0


def resolve_process(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ProcessSpec | None:
    """Finds out whether several processes are to train together, and which this is.

    Only a coordinator makes several of them, as an argument or in Keras's or JAX's
    variable: the tasks of a cluster's job may also be trainings of their own. `"auto"`
    is the one that JAX finds in the cluster's environment.
    """
    if coordinator is None:
        addresses = map(environment.get, _COORDINATOR_VARIABLES)
        coordinator = next(filter(None, addresses), None)
    if coordinator is None:
        if processes in (None, 1) and process in (None, 0):
            return None
        raise InputError(
            f"{processes or 'Several'} processes need an address to meet at; add "
            f"--coordinator=HOST:PORT, of the machine of process 0."
        )
    if coordinator == AUTO:
        return ProcessSpec(None, processes, process)
    addresses = coordinator.split(",")
    if not all(map(_ADDRESS.fullmatch, addresses)):
        raise InputError(
            f"--coordinator is HOST:PORT of process 0 or auto, not {coordinator!r}."
        )
    if None not in (processes, process) and not 0 <= process < processes:
        raise InputError(
            f"--process={process} is none of {processes} processes; they are "
            f"counted from 0 to {processes - 1}."
        )
    return None if processes == 1 else ProcessSpec(addresses[0], processes, process)


@contextlib.contextmanager
def init_multihost(process: ProcessSpec | None) -> Iterator[Hosts]:
    """Joins the other processes of a training, if there are any.

    Nothing may have been computed on JAX before. Who joined stays until the process
    ends; a further training in the same process then needs no `process`. If a process
    leaves this block by an error of its own, its end does not wait for the others, and
    has the error's exit code.
    """
    hosts = _join(process)
    if not hosts.is_multi:
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
        lost = bool(_LOST.search(str(error)))
        _leave_without_others(hosts, StorageError.exit_code if lost else 1)
        if not lost:
            raise
        raise StorageError(
            f"Process {hosts.index} lost the other processes; see what they say, then "
            f"start all with --resume."
        ) from error
    except BaseException:
        _leave_without_others(hosts, 1)
        raise


def _join(process: ProcessSpec | None) -> Hosts:
    backend = keras.backend.backend()
    if backend != "jax":
        if process is None:
            return SINGLE_HOST
        raise InputError(
            f"Several processes train together on JAX, not on {backend}; pip install "
            f"keras-lraspp[jax], set KERAS_BACKEND=jax and start the same command."
        )
    import jax

    is_initialized = getattr(jax.distributed, "is_initialized", None)  # JAX >= 0.5.1
    if is_initialized is None or not is_initialized():
        if process is None:
            return SINGLE_HOST
        _initialize(process)
    return Hosts(jax.process_count(), jax.process_index())


def _initialize(spec: ProcessSpec) -> None:
    import jax

    if None not in spec:
        print(
            f"process {spec.process} of {spec.processes}: meeting the others at "
            f"{spec.coordinator}, within {_PATIENCE:g} s",
            flush=True,
        )
        if spec.process:
            _wait_for(spec.coordinator)
    if jax.config.jax_cpu_collectives_implementation is None:
        jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        keras.distribution.initialize(*spec)
    except (RuntimeError, ValueError) as error:
        where = spec.coordinator or "the address that the cluster names"
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


def _leave_without_others(hosts: Hosts, code: int) -> None:
    """Lets the end of this process end the others, too.

    JAX's own end waits minutes for them, and they wait for this process.
    """

    def leave():
        if hosts.is_main:  # its end kills the others, who may have words of their own
            time.sleep(_LAST_WORDS)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
