"""A training that is interrupted at a step of one's choice."""

import os
import signal

import pytest

from harness import tiny
from keras_lraspp.training.callbacks import StepCallback


def stop_at_step(step, pictures, output, **changes):
    """Trains, and sends SIGINT to this very process after a step."""
    plain = StepCallback.on_train_batch_end
    sent = []

    def interrupting(self, batch, logs=None):
        if self.start_step + batch + 1 == step and not sent:
            sent.append(step)
            os.kill(os.getpid(), signal.SIGINT)
        plain(self, batch, logs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepCallback, "on_train_batch_end", interrupting)
        result = tiny.run(pictures, output, **changes)
    assert result.signal == signal.SIGINT
    assert result.step == step
