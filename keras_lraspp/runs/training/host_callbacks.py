"""What several processes of a training do together that one does alone."""

from collections.abc import Callable, Mapping

import keras
import numpy as np

from keras_lraspp.data import evaluation_batches
from keras_lraspp.data.dataset import Dataset
from keras_lraspp.metrics import ImageConfusion
from keras_lraspp.runs.training.hosts import SharedStop
from keras_lraspp.runs.training.report import TrainingReport
from keras_lraspp.runs.training.validation import Validation
from keras_lraspp.training.averages import WeightAverages
from keras_lraspp.training.hosts import Hosts
from keras_lraspp.training.journal import Journal


class NoJournal:
    """The journal of the processes that write none."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Does nothing."""

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
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
        with hosts.together():
            if hosts.first:
                with hosts.alone():
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
        if self.hosts.first:
            with self.hosts.alone():
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
        journal: Journal | NoJournal,
        batch_size: int,
        stop: SharedStop,
        averages: WeightAverages | None,
        hosts: Hosts,
    ):
        with hosts.alone():
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
        with self.hosts.together(), self.hosts.alone():
            self.copy.set_weights(values)
            self.averages.estimate(self.copy)
        # What _count copies.
        self.averages.put_statistics()

    def _count(self) -> ImageConfusion | None:
        values = self.network.get_weights()
        confusion = None
        with self.hosts.together(), self.hosts.alone():
            self.copy.set_weights(values)
            confusion = super()._count()
        self.agreed_stop.agree()
        if self.agreed_stop.received is not None:
            return None
        return self._add_up(confusion)

    def _publish(self, step: int, seconds: float) -> None:
        if self.hosts.first:
            with self.hosts.alone():
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
