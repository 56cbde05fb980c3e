"""Where a process stands among those of a training: flags and clusters' variables."""

import os
import re
from collections.abc import Mapping
from typing import NamedTuple

from keras_lraspp.errors import InputError

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


class Place(NamedTuple):
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


def find_place(
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    environment: Mapping[str, str] = os.environ,
) -> Place | None:
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
        return Place(None, processes, process)
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
    return Place(addresses[0], processes, process) if processes > 1 else None


def _number(environment: Mapping[str, str], name: str | None) -> int | None:
    text = environment.get(name or "")
    if text is None:
        return None
    if not text.isdecimal():
        raise InputError(f"{name} is a whole number, not {text!r}.")
    return int(text)
