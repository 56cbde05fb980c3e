"""What happens from time to time: evaluation, the best model, checkpoints."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import DivergedError
from keras_lraspp.training.checkpoints import CheckpointFolder, TrainingState
from keras_lraspp.training.step_callback import StepCallback


class Intervals(NamedTuple):
    """Steps of the whole training, and between two evaluations and two saves."""

    iterations: int
    evaluation: int
    save: int


class Milestones(StepCallback):
    """Evaluates, keeps the best model, writes checkpoints, and stops when asked.

    Args:
        intervals: When to do what. The last step is always evaluated and saved.
        state: Where training stands.
        checkpoints: Where checkpoints go.
        evaluate: Takes the step; returns the mIoU in 0..1, or `None` if it was
            broken off because training is to stop.
        save_best: Takes the model, the step and the mIoU; called for every new best.
        stop: Says whether training is to stop after this step.
        paused: A context manager around all of this, for clocks.
    """

    def __init__(
        self,
        intervals: Intervals,
        state: TrainingState,
        checkpoints: CheckpointFolder,
        *,
        evaluate: Callable[[int], float | None],
        save_best: Callable[[keras.Model, int, float], Path],
        stop: Callable[[], bool] = lambda: False,
        paused: Callable[[], contextlib.AbstractContextManager] = (
            contextlib.nullcontext
        ),
    ):
        super().__init__(state.step)
        self.intervals = intervals
        self.state = state
        self.checkpoints = checkpoints
        self.evaluate = evaluate
        self.save_best = save_best
        self.stop = stop
        self.paused = paused

    def on_train_begin(self, logs=None):
        """Makes up for an evaluation that a stop broke off."""
        if self.state.step and self._due(self.state.step, self.intervals.evaluation):
            self._evaluate(self.state.step)

    def on_step(self, step, logs):
        """Does what is due after this step."""
        evaluation = self._due(step, self.intervals.evaluation)
        save = self._due(step, self.intervals.save)
        if not (evaluation or save or self.stop()):
            return
        with self.paused():
            self.sync_weights()
            self._check_weights(step)
            self.state = self.state._replace(step=step)
            if evaluation and not self.stop():
                self._evaluate(step)
            if save or self.stop():
                self.checkpoints.save(self.model, self.state)
            if self.stop():
                self.model.stop_training = True

    def _due(self, step: int, interval: int) -> bool:
        return step % interval == 0 or step == self.intervals.iterations

    def _check_weights(self, step: int) -> None:
        """A step may break the weights after a loss that was still good."""
        if not all(np.isfinite(value).all() for value in self.model.get_weights()):
            raise DivergedError(
                f"Training diverged: weights are not finite after iteration {step}. "
                f"The last good checkpoint is kept; lower train.learning_rate and "
                f"start again."
            )

    def _evaluate(self, step: int) -> None:
        if self.state.evaluated_step == step:
            return
        miou = self.evaluate(step)
        if miou is None:
            return
        self.state = self.state._replace(evaluated_step=step)
        best = self.state.best_miou
        if miou > (-1.0 if best is None else best):  # never for a nan
            self.save_best(self.model, step, miou)
            self.state = self.state._replace(best_step=step, best_miou=miou)
