"""The processes of one training, and what they say to each other."""

import atexit
import contextlib
import dataclasses
import os
import re
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import DivergedError, InputError, StorageError, UserError

_ERRORS = {kind.exit_code: kind for kind in (InputError, StorageError, DivergedError)}


@dataclasses.dataclass(frozen=True)
class Hosts:
    """All processes of a training, as one of them sees them.

    What exchanges something is called by all processes in the same order, as every
    collective operation; each call waits for the slowest. With one process nothing
    is exchanged, and nothing waits.

    Attributes:
        count: How many processes there are.
        index: Which one this is, from 0.
    """

    count: int = 1
    index: int = 0

    @property
    def is_multi(self) -> bool:
        """Whether there is more than one process."""
        return self.count > 1

    @property
    def is_main(self) -> bool:
        """Whether this is process 0, the one that writes."""
        return self.index == 0

    def gather(self, content: bytes) -> list[bytes]:
        """Returns what each process gave, in their order."""
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
        """Returns the largest of the processes' values, which fit into 32 bits."""
        if not self.is_multi:
            return value
        from jax.experimental.multihost_utils import process_allgather

        return int(process_allgather(np.int32(value)).max())

    def broadcast(self, content: bytes = b"") -> bytes:
        """Returns what process 0 gave; the others' content does not matter."""
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
        """Makes an error of one process in this block one of all processes.

        Without, the others would wait for the one that ended.

        Raises:
            UserError: The own one, or of the same kind that of another process.
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
        """Checks that named numbers are the same on all processes.

        Raises:
            InputError: On all processes, naming the first that differs.
        """
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
        """Lets what is built in this block belong to this process alone."""
        if not self.is_multi:
            yield
            return
        before = keras.distribution.distribution()
        keras.distribution.set_distribution(None)
        try:
            yield
        finally:
            keras.distribution.set_distribution(before)

    def _error_of_another(self, own: UserError | None) -> UserError | None:
        message = "" if own is None else f"{own.exit_code} {own}"
        for index, theirs in enumerate(self.gather(message.encode())):
            if theirs:
                code, _, text = theirs.decode().partition(" ")
                return _ERRORS[int(code)](f"Process {index}: {text}")
        return None


SINGLE_HOST = Hosts()


AUTO = "auto"  # as a coordinator: the one that the cluster names


class Launcher(NamedTuple):
    """Something that starts processes, and the variables in which it counts them."""

    name: str
    processes: str | None  # how many
    process: str  # which one, from 0


LAUNCHERS = (
    Launcher(
        "Keras", "KERAS_DISTRIBUTION_NUM_PROCESSES", "KERAS_DISTRIBUTION_PROCESS_ID"
    ),
    # Before SLURM, in whose jobs mpirun starts processes, too.
    Launcher("Open MPI", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"),
    Launcher("SLURM", "SLURM_NTASKS", "SLURM_PROCID"),
    Launcher("Kubernetes, indexed job", None, "JOB_COMPLETION_INDEX"),
)
_COORDINATOR = ("KERAS_DISTRIBUTION_JOB_ADDRESSES", "JAX_COORDINATOR_ADDRESS")
_ADDRESS = re.compile(r"[^\s:,]+:\d{1,5}")


class ProcessSpec(NamedTuple):
    """Where a process stands among the others.

    Attributes:
        coordinator: `HOST:PORT` at which process 0 listens. `None`: JAX asks the
            cluster, for what else is `None` too.
        processes: How many there are.
        process: Which one this is, from 0.
    """

    coordinator: str | None
    processes: int | None
    process: int | None


def resolve_process(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> ProcessSpec | None:
    """Finds out whether several processes are to train together, and which this is.

    Only a coordinator makes several of them, given or in Keras's or JAX's variable:
    the tasks of a cluster's job may also be trainings of their own.

    Args:
        coordinator: `HOST:PORT`; `"auto"` for the one that JAX finds in the cluster's
            environment; `None` for the one in the environment, if any.
        processes: How many; `None` for the cluster's own number.
        process: Which one this is; `None` for the cluster's own index.
        environment: Variables by name.

    Returns:
        The place, or `None` for a single process.

    Raises:
        InputError: If something is missing, or is no address or index.
    """
    if coordinator is None:
        coordinator = next(filter(None, map(environment.get, _COORDINATOR)), None)
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
    launcher = next((row for row in LAUNCHERS if row.process in environment), None)
    if launcher is not None:
        if processes is None:
            processes = _number(environment, launcher.processes)
        if process is None:
            process = _number(environment, launcher.process)
    if processes is None or process is None:
        raise InputError(
            "--coordinator needs --processes=N and --process=I, from 0 to N-1; no "
            "cluster has set variables that say them."
        )
    if not 0 <= process < processes:
        raise InputError(
            f"--process={process} is none of {processes} processes; they are "
            f"counted from 0 to {processes - 1}."
        )
    return ProcessSpec(addresses[0], processes, process) if processes > 1 else None


def _number(environment: Mapping[str, str], name: str | None) -> int | None:
    text = environment.get(name or "")
    if text is None:
        return None
    if not text.isdecimal():
        raise InputError(f"{name} is a whole number, not {text!r}.")
    return int(text)


# What the collectives and JAX's coordination say when a process is gone.
_LOST = re.compile(r"gloo|nccl|coordination|connection (closed|reset)", re.I)

_LAST_WORDS = 3.0  # seconds
# Seconds for process 0 to start. JAX's own time is 300, and ends in an abort.
_PATIENCE = 240.0


@contextlib.contextmanager
def init_multihost(place: ProcessSpec | None) -> Iterator[Hosts]:
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


def _join(place: ProcessSpec | None) -> Hosts:
    backend = keras.backend.backend()
    if backend != "jax":
        if place is None:
            return SINGLE_HOST
        raise InputError(
            f"Several processes train together on JAX, not on {backend}; pip install "
            f"keras-lraspp[jax], set KERAS_BACKEND=jax and start the same command."
        )
    import jax

    if not _joined():
        if place is None:
            return SINGLE_HOST
        _initialize(place)
    return Hosts(jax.process_count(), jax.process_index())


def _joined() -> bool:
    import jax

    asked = getattr(jax.distributed, "is_initialized", None)  # since JAX 0.5.1
    return asked is not None and asked()


def _initialize(place: ProcessSpec) -> None:
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
        if hosts.is_main:  # its end kills the others, who may have words of their own
            time.sleep(_LAST_WORDS)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    atexit.register(leave)
