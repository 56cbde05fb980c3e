"""The folder and the end of a training that several processes share.

Process 0 alone touches the output folder; what it reads there goes to the others over
the network. So the folder need not be on a disk that all machines see.
"""

import contextlib
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import keras
import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState, run_folder
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.training.callbacks import (
    GracefulShutdown,
    StepCallback,
    TrainingReport,
)
from keras_lraspp.training.ema import WeightAverages
from keras_lraspp.training.multihost import Hosts
from keras_lraspp.training.validation import Validation


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
        with hosts.raise_together():
            if hosts.is_main:
                mine = run_folder(path, keep=keep, resume=resume)
                folder = stack.enter_context(mine)
        if hosts.is_multi:
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
        with self.hosts.raise_together():
            if self.hosts.is_main:
                with self.hosts.local_scope():  # Keras makes an optimizer
                    super().save(model, state)
        return self.folder / f"step_{state.step:08d}.keras"

    def discard_after(self, step: int) -> None:
        """Removes checkpoints on process 0; see `CheckpointFolder`."""
        if self.hosts.is_main:
            super().discard_after(step)

    def restore(self, load: Callable[[Path], None]) -> TrainingState | None:
        """Loads the newest whole checkpoint of process 0 on all processes."""
        found = []
        with self.hosts.raise_together():
            if self.hosts.is_main:
                super().restore(found.append)
        content = self.hosts.broadcast(found[0].read_bytes() if found else b"")
        if not content:
            return None
        with tempfile.TemporaryDirectory() as temporary:
            copy = CheckpointFolder(Path(temporary))
            (copy.folder / "step_00000000.keras").write_bytes(content)
            with self.hosts.local_scope():
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

    def __init__(self, hosts: Hosts, signals: GracefulShutdown):
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


class NoJournal:
    """The journal of the processes that write none."""

    def log_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Does nothing."""

    def log_image(self, step: int, name: str, picture: np.ndarray) -> None:
        """Does nothing."""


def by_the_first(hosts: Hosts, work: Callable[..., object]) -> Callable[..., None]:
    """Makes a function that process 0 alone carries out, and all wait for.

    Args:
        hosts: The processes.
        work: What to do; may build networks. Its result is dropped.

    Returns:
        A function that all processes call. It raises a UserError of `work` on all.
    """

    def call(*arguments) -> None:
        with hosts.raise_together():
            if hosts.is_main:
                with hosts.local_scope():
                    work(*arguments)

    return call


class SharedReport(TrainingReport):
    """The page of a training, written by process 0.

    Args:
        hosts: The processes.
        *arguments: Of `TrainingReport`.
    """

    def __init__(self, hosts: Hosts, *arguments):
        super().__init__(*arguments)
        self.hosts = hosts

    def finish(self) -> None:
        """Writes the page as things stand."""
        if self.hosts.is_main:
            with self.hosts.local_scope():
                super().finish()


class DividedValidation(Validation):
    """A validation that is divided among the processes, and added up by all.

    Of n processes each predicts every n-th image with a network of its own, which gets
    the weights anew each time: a network that spans the processes would have all of
    them predict everything.

    Args:
        network: The model in training.
        dataset: The validation set.
        journal: Gets the scores, and pictures of process 0's images.
        batch_size: Images per evaluation step and process.
        stop: Breaks an evaluation off on all processes.
        averages: The averaged weights, which are scored too; `None` if there are none.
        hosts: The processes.
    """

    def __init__(
        self,
        network: keras.Model,
        dataset: Dataset,
        journal: MetricLogger | NoJournal,
        batch_size: int,
        stop: SharedStop,
        averages: WeightAverages | None,
        hosts: Hosts,
    ):
        with hosts.local_scope():
            self.copy = type(network).from_config(network.get_config())
        super().__init__(
            self.copy, dataset, journal, batch_size, stop.signals, averages
        )
        self.network = network
        self.agreed_stop = stop
        self.hosts = hosts
        self.batches = evaluation_batches(
            dataset, batch_size=batch_size, host=(hosts.index, hosts.count)
        )

    def _estimate(self) -> None:
        values = self.network.get_weights()
        with self.hosts.raise_together(), self.hosts.local_scope():
            self.copy.set_weights(values)
            self.averages.estimate(self.copy)
        # What _count copies.
        self.averages.put_statistics()

    def _count(self) -> ImageConfusion | None:
        values = self.network.get_weights()
        confusion = None
        with self.hosts.raise_together(), self.hosts.local_scope():
            self.copy.set_weights(values)
            confusion = super()._count()
        self.agreed_stop.agree()
        if self.agreed_stop.received is not None:
            return None
        return self._add_up(confusion)

    def _publish(self, step: int, seconds: float) -> None:
        if self.hosts.is_main:
            with self.hosts.local_scope():
                super()._publish(step, seconds)

    def _add_up(self, own: ImageConfusion) -> ImageConfusion:
        """Returns the counts of all images, and their areas in the images' order."""
        total = self._nothing_counted()
        shares = []
        for content in self.hosts.gather(_pack(own)):
            values = np.frombuffer(content, np.int64).reshape(-1, own.num_classes)
            total.counts += values[: own.num_classes]
            shares.append(values[own.num_classes :].reshape(-1, 2, own.num_classes))
        total.areas = [
            shares[index % len(shares)][index // len(shares)]
            for index in range(sum(map(len, shares)))
        ]
        return total


def _pack(confusion: ImageConfusion) -> bytes:
    areas = np.array(confusion.areas, np.int64).reshape(-1, confusion.num_classes)
    return np.concatenate([confusion.counts, areas]).astype(np.int64).tobytes()
