"""Training callbacks: graceful shutdown, divergence, progress and metric logging."""

import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import keras

from keras_lraspp.errors import DivergedError
from keras_lraspp.run_dir.folder import CheckpointFolder
from keras_lraspp.run_dir.log import MetricLogger
from keras_lraspp.terminal import StatusLine, clock
from keras_lraspp.training.multihost import SINGLE_HOST, Hosts

_REDRAW = 0.1  # seconds between two pictures of the status line


class StepCallback(keras.callbacks.Callback):
    """Calls `on_step` after every training step.

    Iterations are the unit of training here: `fit` runs as one long epoch, and
    what happens from time to time (logging, evaluation, checkpoints) follows the
    step count, which goes on over a resume.
    """

    def __init__(self, start_step: int = 0):
        super().__init__()
        self.start_step = start_step

    def on_train_batch_end(self, batch, logs=None):
        """Calls `on_step` with the number of steps done so far."""
        self.on_step(self.start_step + batch + 1, logs or {})

    def on_step(self, step: int, logs: dict) -> None:
        """To be overridden; `logs["loss"]` is a mean since the last `reset_metrics`."""
        raise NotImplementedError

    def sync_weights(self) -> None:
        """Brings the model's variables up to date.

        On JAX, `fit` keeps the weights in its own state between batches.
        """
        sync = getattr(self.model, "jax_state_sync", None)
        if sync is not None:
            sync()

    def learning_rate(self) -> float:
        """Returns the rate of the next step."""
        self.sync_weights()
        return float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))


def mean_loss(model: keras.Model) -> list[keras.Variable]:
    """Returns total and count of the mean loss that `fit` logs, of a compiled model."""
    total, count = model.metrics[0].variables
    return [total, count]


class FinishedStep(StepCallback):
    """Knows the last finished step, for a checkpoint after an error.

    A step on TensorFlow that gets no batch changes no weight, but counts: in the
    optimizer, on which the learning rate depends, in random states and in the mean
    loss; on JAX `fit` then forgets that the mean loss was cleared. Put it before all
    other callbacks, which may raise something themselves.
    """

    def __init__(self, start_step: int = 0):
        super().__init__(start_step)
        self.step = start_step
        self._counters: list[keras.Variable] = []
        self._before: list | None = None  # their values, while a step is under way

    def on_train_begin(self, logs=None):
        """Finds the counters."""
        self._counters = mean_loss(self.model)
        optimizer = self.model.optimizer
        if keras.backend.backend() == "tensorflow":
            variables = [*self.model.variables, *optimizer.variables]
            self._counters += [v for v in variables if "int" in v.dtype]
        # It would make the averages the weights; JAX's `fit` does so after errors too.
        optimizer.finalize_variable_values = lambda variables: None

    def on_train_batch_begin(self, batch, logs=None):
        """Notes the counters, where they are up to date."""
        if getattr(self.model, "_jax_state_synced", True):
            self._before = [*map(keras.ops.convert_to_numpy, self._counters)]

    def on_step(self, step, logs):
        """Notes the step."""
        self.step, self._before = step, None

    def undo_rest(self) -> None:
        """Puts the counters back to the last finished step."""
        if self._before is not None:
            for variable, value in zip(self._counters, self._before, strict=True):
                variable.assign(value)


class GracefulShutdown(StepCallback):
    """Turns the first SIGTERM or Ctrl-C into a wish to stop; a second one kills.

    A context manager: whoever holds it reads `received` between steps, saves and
    stops. Handlers can only be set in the main thread; elsewhere this does nothing.
    Several processes stop after the same step, whichever of them got the signal: put
    it before the callbacks that read `received`.
    """

    def __init__(self, start_step: int = 0, hosts: Hosts = SINGLE_HOST):
        super().__init__(start_step)
        self.hosts = hosts
        self.pending: int | None = None  # the signal that this process got
        self._agreed: int | None = None
        self._before = {}

    @property
    def received(self) -> int | None:
        """The signal to stop by; of several processes, what they last agreed on."""
        return self._agreed if self.hosts.is_multi else self.pending

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

    def on_step(self, step, logs):
        """Asks the other processes."""
        self.agree()

    def agree(self) -> None:
        """Collective: asks the other processes whether one of them got a signal."""
        before = self._agreed
        self._agreed = self.hosts.largest(self.pending or 0) or None
        if self._agreed and not before and not self.pending:
            name = signal.Signals(self._agreed).name
            print(f"{name} at another process: stopping with it.", flush=True)

    def _handle(self, number, frame):
        self.pending = number
        self.__exit__()
        name = signal.Signals(number).name
        print(f"\n{name}: saving a checkpoint, then stopping.", file=sys.stderr)


class StopOnDivergence(StepCallback):
    """Ends training when the loss is no longer a sensible number.

    Put it before the callbacks that evaluate and save, so that nothing is written
    from broken weights. Checkpoints whose weights gave a bad loss are removed.
    """

    def __init__(
        self,
        limit: float = 1e3,  # cross entropy starts near ln(classes), 3 for 19
        start_step: int = 0,
        checkpoints: CheckpointFolder | None = None,
        hosts: Hosts = SINGLE_HOST,
    ):
        super().__init__(start_step)
        self.limit = limit
        self.checkpoints = checkpoints
        self.hosts = hosts

    def on_step(self, step, logs):
        """Raises DivergedError for a loss that is not finite or above the limit."""
        loss = logs["loss"]
        if math.isfinite(loss) and loss <= self.limit:
            return
        if self.checkpoints is not None and self.hosts.is_main:
            # The weights that gave this loss are those after the step before.
            self.checkpoints.discard_after(step - 2)
        raise DivergedError(
            f"Training diverged: the loss is {loss:g} at iteration {step} with "
            f"learning rate {self.learning_rate():g}. The last good checkpoint is "
            f"kept; lower train.learning_rate and start again."
        )


class Progress(StepCallback):
    """Prints and logs loss, learning rate and speed every few steps.

    In a terminal this is a `StatusLine`, whose step and time left change with every
    step; elsewhere a line each time. The rate counts training steps only: the first
    one, which traces and compiles, is reported by itself, and evaluation and saving run
    inside `paused()`. A context manager, at whose end the line stays.

    Attributes:
        best: Returns the best mIoU so far, in 0..1, `None` before there is one.
    """

    def __init__(
        self,
        logger: MetricLogger | None,  # `None`: neither logs nor prints
        *,
        iterations: int,
        batch_size: int,  # over all devices
        log_interval: int,
        start_step: int = 0,
        write: Callable[[str], None] = print,
    ):
        super().__init__(start_step)
        self.logger = logger
        self.iterations = iterations
        self.batch_size = batch_size
        self.log_interval = log_interval
        self.write = write
        self.best: Callable[[], float | None] = lambda: None
        self._status = StatusLine()
        self._seconds = 0.0  # spent training since the last line
        self._since = self._redrawn = 0.0
        self._last_step = start_step
        self._values: dict[str, float] = {}  # of the last line
        self._step = start_step

    def __enter__(self):
        """Opens the status line."""
        if self.logger is not None:
            self._status.__enter__()
        return self

    def __exit__(self, *error):
        """Ends the status line."""
        self._status.__exit__(*error)

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self._since = time.perf_counter()
        self._status.show([(0, "the first step compiles")])

    def on_step(self, step, logs):
        """Writes a line if one is due."""
        now, self._step = time.perf_counter(), step
        if step == self.start_step + 1:
            if self.logger is not None:
                self.write(f"first step after {now - self._since:.1f} s")
            self._since, self._last_step = time.perf_counter(), step
        if step % self.log_interval == 0 or step == self.iterations:
            self._log(step, logs["loss"])
        elif now - self._redrawn > _REDRAW:
            self._redrawn = now
            self._show({"loss": logs["loss"], **self._values})

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Keeps what happens inside out of the rate; then there may be a new best."""
        self._seconds += time.perf_counter() - self._since
        try:
            yield
        finally:
            if self._values:
                self._show(self._values)
            self._since = time.perf_counter()

    def _log(self, step: int, loss: float) -> None:
        now = time.perf_counter()
        seconds = self._seconds + now - self._since
        steps = step - self._last_step
        values = {"loss": loss, "learning_rate": self.learning_rate()}
        if steps:  # none yet where the first step of a run is due for a line
            values["images_per_second"] = steps * self.batch_size / seconds
        self._values = values
        if self.logger is not None:
            if self._status.moves:
                self._show(values)
            else:
                texts = (text for _, text in self._fields(values))
                self.write(f"iteration {'  '.join(texts)}")
            self.logger.log_scalars(step, values)
        self._seconds, self._since, self._last_step = 0.0, now, step
        self.sync_weights()
        self.model.reset_metrics()  # the next line's loss is the mean from here on

    def _show(self, values: dict[str, float]) -> None:
        self._status.show(self._fields(values))

    def _fields(self, values: dict[str, float]) -> list[tuple[int, str]]:
        """The texts of a line, with the ranks in which a narrow terminal drops them."""
        step, loss = self._step, values["loss"]
        fields = [(0, f"{step}/{self.iterations}"), (2, f"loss {loss:.4f}")]
        if "learning_rate" in values:
            fields.append((5, f"lr {values['learning_rate']:.3g}"))
        if rate := values.get("images_per_second"):
            left = (self.iterations - step) * self.batch_size / rate
            fields.append((4, f"{rate:.2f} images/s"))
            fields.append((1, f"ETA {clock(left)}"))
        if (best := self.best()) is not None:
            fields.append((3, f"best mIoU {best:.4f}"))
        return fields
