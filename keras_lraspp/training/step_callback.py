"""Callbacks that count steps of the whole training, not batches of an epoch."""

import keras


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
