"""The page of a training that goes on: written while it runs, and at its end."""

import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import keras

from keras_lraspp.inference.labels import label_function
from keras_lraspp.runs.best_model import BEST, BestModel, read_best
from keras_lraspp.runs.report import write_report
from keras_lraspp.runs.reporting.images import Examples, find_examples
from keras_lraspp.training.milestones import Milestones
from keras_lraspp.training.step_callback import StepCallback


class TrainingReport(StepCallback):
    """Writes `report.html` after evaluations, so that a killed run has one too.

    Put it behind `Milestones`: what matters is then saved already. A page that cannot
    be written is a warning and nothing more.

    Args:
        folder: Of the run.
        network: The model in training.
        milestones: Says when an evaluation was.
        best_model: Has the best weights, for the pictures.
        paused: A context manager around the work, for clocks.
        pause: Seconds between two pages, so that frequent evaluations of a small data
            set are not outweighed by them. `finish` does not wait.
    """

    def __init__(
        self,
        folder: Path,
        network: keras.Model,
        milestones: Milestones,
        best_model: BestModel,
        paused: Callable[[], AbstractContextManager],
        pause: float = 30.0,
    ):
        super().__init__(milestones.state.step)
        self.folder = folder
        self.network = network
        self.milestones = milestones
        self.best_model = best_model
        self.paused = paused
        self.pause = pause
        self._evaluated = milestones.state.evaluated_step
        self._written = time.monotonic()
        self._examples: tuple[int, Examples] | None = None  # of the best step
        self._labels_of = None

    def on_step(self, step, logs):
        """Writes the page if there was an evaluation, and the last page is old."""
        evaluated = self.milestones.state.evaluated_step
        due = time.monotonic() - self._written >= self.pause
        if evaluated != self._evaluated and due:
            self._evaluated = evaluated
            with self.paused():
                self.finish()

    def finish(self) -> None:
        """Writes the page as things stand."""
        try:
            write_report(self.folder, self._find_examples())
        except Exception as error:  # whatever it is, the training matters more
            warnings.warn(
                f"Could not write the report of {self.folder}: {error}", stacklevel=2
            )
        self._written = time.monotonic()

    def _find_examples(self) -> Examples:
        """Draws the images once for each best model."""
        best = read_best(self.folder / BEST)
        step = 0 if best is None else best.step
        if self._examples is None or self._examples[0] != step:
            samples = self.best_model.dataset
            found = find_examples(self.folder, self._predict, samples=samples)
            self._examples = step, found
        return self._examples[1]

    def _predict(self):
        network = self.best_model.network(like=self.network)
        if self._labels_of is None:  # reads the weights anew at each call
            self._labels_of = label_function(network)
        return self._labels_of
