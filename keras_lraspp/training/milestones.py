"""What happens from time to time: evaluation, the best model, checkpoints."""

import contextlib
from collections.abc import Callable
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


class Scores(NamedTuple):
    """What an evaluation found, in 0..1."""

    miou: float
    miou_ema: float | None = None  # of the averaged weights, if there are any


class Milestones(StepCallback):
    """Evaluates, keeps the best model, writes checkpoints, and stops when asked.

    Args:
        intervals: When to do what. The last step is always evaluated and saved.
        state: Where training stands.
        checkpoints: Where checkpoints go.
        evaluate: Takes the step; returns the scores, or `None` if it was broken off
            because training is to stop.
        save_best: Takes the model, the step and the mIoU; called for every new best.
        save_best_ema: The same for the averaged weights.
        patience: Number of evaluations in a row without a better mIoU, of the weights
            or their average, that end the training; `None` for no end but the last
            step.
        stop: Says whether training is to stop after this step.
        paused: A context manager around all of this, for clocks.
    """

    def __init__(
        self,
        intervals: Intervals,
        state: TrainingState,
        checkpoints: CheckpointFolder,
        *,
        evaluate: Callable[[int], Scores | None],
        save_best: Callable[[keras.Model, int, float], object],
        save_best_ema: Callable[[keras.Model, int, float], object] | None = None,
        patience: int | None = None,
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
        self.save_best_ema = save_best_ema
        self.patience = patience
        self.stop = stop
        self.paused = paused

    def catch_up(self):
        """Makes up for an evaluation that a stop broke off; called before `fit`."""
        step = self.state.step
        if step and self._due(step, self.intervals.evaluation):
            if self.state.evaluated_step != step:
                self._evaluate(step)
                self.checkpoints.save(self.model, self.state)

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
            ends = self.stop() or self.out_of_patience()
            if save or ends:
                self.checkpoints.save(self.model, self.state)
            if ends:
                self.model.stop_training = True

    def out_of_patience(self) -> bool:
        """Says whether too many evaluations in a row were no better.

        It follows from the state, so that a resume knows it.
        """
        if self.patience is None:
            return False
        best = max(self.state.best_step, self.state.best_ema_step)
        steps = self.patience * self.intervals.evaluation
        return self.state.evaluated_step - best >= steps

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
        scores = self.evaluate(step)
        if scores is None:
            return
        self.state = self.state._replace(evaluated_step=step)
        if _better(scores.miou, self.state.best_miou):
            self.save_best(self.model, step, scores.miou)
            self.state = self.state._replace(best_step=step, best_miou=scores.miou)
        if _better(scores.miou_ema, self.state.best_ema_miou):
            self.save_best_ema(self.model, step, scores.miou_ema)
            self.state = self.state._replace(
                best_ema_step=step, best_ema_miou=scores.miou_ema
            )


def _better(miou: float | None, best: float | None) -> bool:
    """Says whether a score is the best so far, which a nan never is."""
    return miou is not None and miou > (-1.0 if best is None else best)
