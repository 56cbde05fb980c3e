"""Stopping in time: a diverged loss, Ctrl-C, SIGTERM."""

import math
import signal
import sys
import threading
from collections.abc import Callable

import keras

from keras_lraspp.errors import DivergedError
from keras_lraspp.training.step_callback import StepCallback


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


class StopSignal:
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
