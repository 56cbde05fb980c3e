"""The folder and the end of a training that several processes share.

Process 0 alone touches the output folder; what it reads there goes to the others over
the network. So the folder need not be on a disk that all machines see.
"""

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras

from keras_lraspp.runs.run_folder import run_folder
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState
from keras_lraspp.training.hosts import Hosts
from keras_lraspp.training.step_callback import StepCallback
from keras_lraspp.training.watchdogs import StopSignal


@contextlib.contextmanager
def shared_run_folder(
    hosts: Hosts, path: Path, *, keep: int, resume: bool
) -> Iterator[CheckpointFolder]:
    """Makes and locks an output folder, on process 0; see `run_folder`.

    Args:
        hosts: The processes.
        path: The folder; of process 0 only.
        keep: Checkpoints to keep.
        resume: Whether a run that is there is to go on.

    Yields:
        The checkpoints in the folder, for all processes.

    Raises:
        StorageError: As `run_folder`, on all processes.
        InputError: As `run_folder`, on all processes.
    """
    with contextlib.ExitStack() as stack:
        folder = None
        with hosts.together():
            if hosts.first:
                mine = run_folder(path, keep=keep, resume=resume)
                folder = stack.enter_context(mine)
        if hosts.several:
            folder = SharedCheckpoints(path / "checkpoints", keep, hosts)
        yield folder


class SharedCheckpoints(CheckpointFolder):
    """The checkpoints of a run that several processes train.

    Every method is called by all of them.

    Args:
        folder: Where process 0 has them.
        keep: How many of the newest stay.
        hosts: The processes.
    """

    def __init__(self, folder: Path, keep: int, hosts: Hosts):
        super().__init__(folder, keep)
        self.hosts = hosts

    def save(self, model: keras.Model, state: TrainingState) -> Path:
        """Writes a checkpoint on process 0; an error there is one everywhere."""
        with self.hosts.together():
            if self.hosts.first:
                with self.hosts.alone():  # Keras makes an optimizer to compare with
                    super().save(model, state)
        return self.folder / f"step_{state.step:08d}.keras"

    def discard_after(self, step: int) -> None:
        """Removes checkpoints on process 0; see `CheckpointFolder`."""
        if self.hosts.first:
            super().discard_after(step)

    def restore(self, load: Callable[[Path], None]) -> TrainingState | None:
        """Loads the newest whole checkpoint of process 0 on all processes."""
        found = []
        with self.hosts.together():
            if self.hosts.first:
                super().restore(found.append)
        content = self.hosts.broadcast(found[0].read_bytes() if found else b"")
        if not content:
            return None
        with tempfile.TemporaryDirectory() as temporary:
            copy = CheckpointFolder(Path(temporary))
            (copy.folder / "step_00000000.keras").write_bytes(content)
            with self.hosts.alone():
                return copy.restore(load)


class SharedStop(StepCallback):
    """Stops all processes after the same step, whichever of them got a signal.

    Put it before the callbacks that read `received`.

    Args:
        hosts: The processes.
        signals: Of this process.

    Attributes:
        received: The signal that one of them got, since they last agreed on it.
    """

    def __init__(self, hosts: Hosts, signals: StopSignal):
        super().__init__()
        self.hosts = hosts
        self.signals = signals
        self.received: int | None = None

    def on_step(self, step, logs):
        """Asks the others."""
        self.agree()

    def agree(self) -> None:
        """Asks the others; called by all processes."""
        before = self.received
        self.received = self.hosts.largest(self.signals.received or 0) or None
        if self.received and not before and not self.signals.received:
            name = signal.Signals(self.received).name
            print(f"{name} at another process: stopping with it.", flush=True)
