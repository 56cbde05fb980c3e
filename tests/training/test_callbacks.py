"""Stopping in time."""

import os
import signal

import keras
import pytest

from keras_lraspp.errors import DivergedError
from keras_lraspp.training.callbacks import GracefulShutdown, StopOnDivergence


@pytest.fixture
def watchdog():
    callback = StopOnDivergence(limit=100.0, start_step=5)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    callback.set_model(model)
    return callback


@pytest.mark.parametrize("loss", [float("nan"), float("inf"), 101.0])
def test_a_loss_that_is_no_sensible_number_ends_training(watchdog, loss):
    with pytest.raises(DivergedError, match="at iteration 8 with learning rate 0.5"):
        watchdog.on_train_batch_end(2, {"loss": loss})


def test_a_sensible_loss_goes_on(watchdog):
    watchdog.on_train_batch_end(0, {"loss": 99.0})


def test_diverged_has_its_exit_code():
    assert DivergedError.exit_code == 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_noted_and_the_second_is_the_systems(number, capsys):
    before = signal.getsignal(number)
    with GracefulShutdown() as stop:
        assert stop.received is None
        os.kill(os.getpid(), number)
        assert stop.received == number
        assert "saving a checkpoint" in capsys.readouterr().err
        assert signal.getsignal(number) is before
    assert signal.getsignal(number) is before
