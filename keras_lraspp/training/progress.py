"""The line a person watches: loss, learning rate, images per second, time left."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import keras

from keras_lraspp.training.journal import Journal
from keras_lraspp.training.step_callback import StepCallback


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
        journal: Journal,
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
        self.journal.scalars(step, values)
        self._seconds, self._since, self._last_step = 0.0, now, step
        self.sync_weights()
        self.model.reset_metrics()  # the next line's loss is the mean from here on

    def _learning_rate(self) -> float:
        self.sync_weights()
        rate = self.model.optimizer.learning_rate
        return float(keras.ops.convert_to_numpy(rate))
