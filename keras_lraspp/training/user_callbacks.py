"""Keras callbacks of the user in a training by iterations: MLflow, W&B, CSV."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext

import keras

from keras_lraspp.errors import InputError
from keras_lraspp.training.callbacks import StepCallback
from keras_lraspp.training.multihost import SINGLE_HOST, Hosts
from keras_lraspp.training.validation import EvaluateAndCheckpoint

# Keras callbacks that cannot do here what they are for, and what does it.
_REFUSED = {
    "BackupAndRestore": "the run has checkpoints of its own, and goes on with --resume",
    "LearningRateScheduler": "the learning rate is that of train.schedule",
    "ReduceLROnPlateau": "the learning rate is that of train.schedule",
    "SwapEMAWeights": "averages of the weights are train.ema_momentum",
}

CallbackSource = keras.callbacks.Callback | Callable[[], keras.callbacks.Callback]


def make_callbacks(
    sources: Sequence[CallbackSource],
) -> list[keras.callbacks.Callback]:
    """Makes the callbacks of `train.callbacks`.

    Args:
        sources: Callbacks, or classes and functions that are called for one.

    Raises:
        InputError: For what is no callback, or one that cannot work here.
    """
    made = []
    for index, source in enumerate(sources):
        name = f"train.callbacks[{index}]"
        if callable(source) and not isinstance(source, keras.callbacks.Callback):
            source = source()
        if not isinstance(source, keras.callbacks.Callback):
            kind = type(source).__name__
            raise InputError(
                f"{name} is or makes a {kind}, not a Keras callback; name a class or "
                f"function that makes one, as @CSVLogger."
            )
        for kind in type(source).__mro__:
            if kind.__name__ in _REFUSED:
                raise InputError(
                    f"{name} is a {kind.__name__}, which cannot work here: "
                    f"{_REFUSED[kind.__name__]}. Leave it out."
                )
        made.append(source)
    return made


class UserCallbacks(StepCallback):
    """Calls Keras callbacks as if each interval between evaluations were an epoch.

    `on_epoch_end` gets `loss`, `learning_rate`, `val_miou`, `val_pixel_accuracy` and,
    with averaged weights, `val_miou_ema`. Epochs and batches are counted as in a run
    that was never stopped. Of several processes the first calls them. One that sets
    `model.stop_training` ends the training, with several processes at the end of the
    epoch; a checkpoint is written first. Put it behind `EvaluateAndCheckpoint`.
    """

    def __init__(
        self,
        callbacks: Sequence[keras.callbacks.Callback],  # none but on process 0
        checkpointer: EvaluateAndCheckpoint,
        *,
        paused: Callable[[], AbstractContextManager] = nullcontext,
        hosts: Hosts = SINGLE_HOST,
    ):
        super().__init__(checkpointer.state.step)
        self.callbacks = callbacks
        self.checkpointer = checkpointer
        self.paused = paused
        self.hosts = hosts
        self.stopped = False  # whether a callback ended the training
        self._iterations, self._interval, _ = checkpointer.intervals
        self._list: keras.callbacks.CallbackList | None = None
        self._wants_to_stop = False
        self._values: dict | None = None  # of the last epoch

    def on_train_begin(self, logs=None):
        """Begins the training and its first epoch, perhaps in the middle."""
        self._list = keras.callbacks.CallbackList(
            self.callbacks,
            model=self.model,
            epochs=-(-self._iterations // self._interval),
            steps=self._interval,
            verbose=0,
        )
        self._call("on_train_begin")
        self._call("on_epoch_begin", self.start_step // self._interval)

    def on_train_batch_begin(self, batch, logs=None):
        """Passes it on, counted from the beginning of the epoch."""
        step = self.start_step + batch
        self._call("on_train_batch_begin", step % self._interval)

    def on_step(self, step, logs):
        """Ends the batch, and the epoch if the training evaluates after this step."""
        self._call("on_train_batch_end", (step - 1) % self._interval, {**logs})
        is_last = step == self._iterations
        ends_epoch = self.checkpointer.state.evaluated_step == step
        if ends_epoch:
            with self.paused():
                self._end_epoch(step, logs, is_last)
        if ends_epoch or not self.hosts.is_multi:
            self._stop_if_wanted(step)

    def on_train_end(self, logs=None):
        """Passes it on, with the values of the last epoch."""
        self._call("on_train_end", self._values or logs)

    def _end_epoch(self, step: int, logs: dict, is_last: bool) -> None:
        epoch = (step - 1) // self._interval
        scores = self.checkpointer.scores
        values = {**logs, "learning_rate": self.learning_rate()}
        values["val_miou"] = scores.miou
        if scores.confusion is not None:
            values["val_pixel_accuracy"] = scores.confusion.pixel_accuracy()
        if scores.miou_ema is not None:
            values["val_miou_ema"] = scores.miou_ema
        self._values = values
        self._call("on_epoch_end", epoch, dict(values))
        if not is_last:
            self._call("on_epoch_begin", epoch + 1)

    def _call(self, hook: str, *arguments) -> None:
        """Calls a hook of all callbacks; notes whether one wants to stop."""
        if not self.callbacks:
            return
        before = self.model.stop_training
        getattr(self._list, hook)(*arguments)
        self._wants_to_stop |= self.model.stop_training and not before
        self.model.stop_training = before

    def _stop_if_wanted(self, step: int) -> None:
        if self.hosts.largest(int(self._wants_to_stop)) and step < self._iterations:
            with self.paused():
                self.checkpointer.save(step)
            self.stopped = True
            self.model.stop_training = True
