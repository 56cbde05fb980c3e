"""Callbacks that count steps of the whole training, not batches of an epoch."""

import contextlib
import math
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np

from keras_lraspp.errors import DivergedError
from keras_lraspp.inference.functions import label_function
from keras_lraspp.report.build import write_report
from keras_lraspp.report.examples import Examples, find_examples
from keras_lraspp.run_dir.best_model import BEST, BestModel, read_best
from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState
from keras_lraspp.run_dir.log import MetricLogger


class StepCallback(keras.callbacks.Callback):
    """Calls `on_step` after every training step.

    Iterations are the unit of training here: `fit` runs as one long epoch, and
    what happens from time to time (logging, evaluation, checkpoints) follows the
    step count, which goes on over a resume.

    Args:
        start_step: Steps done before this `fit`.
    """

    def __init__(self, start_step: int = 0):
        super().__init__()
        self.start_step = start_step

    def on_train_batch_end(self, batch, logs=None):
        """Calls `on_step` with the number of steps done so far."""
        self.on_step(self.start_step + batch + 1, logs or {})

    def on_step(self, step: int, logs: dict) -> None:
        """To be overridden.

        Args:
            step: Steps done, from 1.
            logs: Keras's logs; `logs["loss"]` is the mean since the last
                `reset_metrics`.
        """
        raise NotImplementedError

    def sync_weights(self) -> None:
        """Brings the model's variables up to date.

        On JAX, `fit` keeps the weights in its own state between batches.
        """
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()


class Intervals(NamedTuple):
    """Steps of the whole training, and between two evaluations and two saves."""

    iterations: int
    evaluation: int
    save: int


class Scores(NamedTuple):
    """What an evaluation found, in 0..1."""

    miou: float
    miou_ema: float | None = None  # of the averaged weights, if there are any


class EvaluateAndCheckpoint(StepCallback):
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


class Progress(StepCallback):
    """Prints and writes down the state of training every few steps.

    The rate counts training steps only: the first one, which traces and compiles,
    is reported by itself, and evaluation and saving run inside `paused()`.

    Args:
        journal: Where scalars go.
        iterations: Steps of the whole training.
        batch_size: Images per step, over all devices.
        log_interval: Steps between two lines.
        start_step: Steps done before this `fit`.
        write: Takes a line of text.
    """

    def __init__(
        self,
        journal: MetricLogger,
        *,
        iterations: int,
        batch_size: int,
        log_interval: int,
        start_step: int = 0,
        write: Callable[[str], None] = print,
    ):
        super().__init__(start_step)
        self.journal = journal
        self.iterations = iterations
        self.batch_size = batch_size
        self.log_interval = log_interval
        self.write = write
        self._seconds = 0.0  # spent training since the last line
        self._since = 0.0
        self._last_step = start_step

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self._since = time.perf_counter()

    def on_step(self, step, logs):
        """Writes a line if one is due."""
        if step == self.start_step + 1:
            seconds = time.perf_counter() - self._since
            self.write(f"first step after {seconds:.1f} s")
            self._since, self._last_step = time.perf_counter(), step
        if step % self.log_interval == 0 or step == self.iterations:
            self._log(step, logs["loss"])

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what happens inside out of the rate."""
        self._seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            self._since = time.perf_counter()

    def _log(self, step, loss):
        now = time.perf_counter()
        seconds = self._seconds + now - self._since
        steps = step - self._last_step
        values = {"loss": loss, "learning_rate": self._learning_rate()}
        line = f"iteration {step}/{self.iterations}  loss {loss:.4f}"
        line += f"  lr {values['learning_rate']:.3g}"
        if steps:  # none yet where the first step of a run is due for a line
            rate = steps * self.batch_size / seconds
            left = (self.iterations - step) * seconds / steps
            values["images_per_second"] = rate
            line += f"  {rate:.2f} images/s  ETA {timedelta(seconds=round(left))}"
        self.write(line)
        self.journal.log_scalars(step, values)
        self._seconds, self._since, self._last_step = 0.0, now, step
        self.sync_weights()
        self.model.reset_metrics()  # the next line's loss is the mean from here on

    def _learning_rate(self) -> float:
        self.sync_weights()
        rate = self.model.optimizer.learning_rate
        return float(keras.ops.convert_to_numpy(rate))


class StopOnDivergence(StepCallback):
    """Ends training when the loss is no longer a sensible number.

    Put it before the callbacks that evaluate and save, so that nothing is written
    from broken weights.

    Args:
        limit: A mean loss above this counts as diverged. Cross entropy over C
            classes starts near ln C, about 3 for 19 classes.
        start_step: Steps done before this `fit`.
        on_diverged: Called with the number of steps whose weights gave good losses,
            before the error is raised.
    """

    def __init__(
        self,
        limit: float = 1e3,
        start_step: int = 0,
        on_diverged: Callable[[int], None] = lambda step: None,
    ):
        super().__init__(start_step)
        self.limit = limit
        self.on_diverged = on_diverged

    def on_step(self, step, logs):
        """Raises DivergedError for a loss that is not finite or above the limit."""
        loss = logs["loss"]
        if math.isfinite(loss) and loss <= self.limit:
            return
        # The weights that gave this loss are those after the step before.
        self.on_diverged(step - 2)
        self.sync_weights()
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        raise DivergedError(
            f"Training diverged: the loss is {loss:g} at iteration {step} with "
            f"learning rate {rate:g}. The last good checkpoint is kept; lower "
            f"train.learning_rate and start again."
        )


class GracefulShutdown:
    """Turns the first SIGTERM or Ctrl-C into a wish to stop; a second one kills.

    A context manager: whoever holds it reads `received` between steps, saves and
    stops.
    Handlers can only be set in the main thread; elsewhere this does nothing.
    """

    def __init__(self):
        self.received: int | None = None
        self._before = {}

    def __enter__(self):
        """Sets the handlers."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_):
        """Puts the handlers that were there before back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def _handle(self, number, frame):
        self.received = number
        self.__exit__()
        name = signal.Signals(number).name
        print(f"\n{name}: saving a checkpoint, then stopping.", file=sys.stderr)


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
        milestones: EvaluateAndCheckpoint,
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
