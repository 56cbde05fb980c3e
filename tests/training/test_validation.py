"""When evaluation, the best model and checkpoints happen."""

import contextlib

import keras
import numpy as np
import pytest

from keras_lraspp.errors import DivergedError
from keras_lraspp.run_dir.folder import TrainingState
from keras_lraspp.training.validation import EvaluateAndCheckpoint, Intervals, Scores

pytestmark = pytest.mark.backends


class Run:
    """Runs a tiny `fit` and writes down what EvaluateAndCheckpoint asks for."""

    def __init__(self, scores, state=None, stop_at=None, intervals=(10, 3, 4), **more):
        self.events, self.scores, self.stop_at = [], scores, stop_at
        self.checkpointer = EvaluateAndCheckpoint(
            Intervals(*intervals),
            state or TrainingState(),
            self,
            evaluate=self.evaluate,
            save_best=lambda model, step, *_: self.events.append(("best", step)),
            save_best_ema=lambda model, step, *_: self.events.append(("ema", step)),
            stop=self.stop,
            paused=contextlib.nullcontext,
            **more,
        )
        self.step = start = self.checkpointer.state.step
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", jit_compile=False)
        steps = keras.callbacks.LambdaCallback(
            on_train_batch_begin=lambda batch, logs=None: self.begin(start + batch + 1)
        )
        self.checkpointer.set_model(model)
        self.checkpointer.evaluate_if_missed()
        data = np.zeros((intervals[0] - start, 1))
        callbacks = [steps, self.checkpointer]
        model.fit(data, data, batch_size=1, verbose=0, callbacks=callbacks)

    def begin(self, step):
        self.step = step

    def stop(self):
        return self.stop_at is not None and self.step >= self.stop_at

    def evaluate(self, step):
        self.events.append(("evaluate", step))
        found = self.scores.get(step)
        return found if found is None else Scores(*np.atleast_1d(found).tolist())

    def save(self, model, state):
        self.events.append(("save", state.step))
        self.saved = state


def test_intervals_and_the_last_step():
    run = Run({3: 0.1, 6: 0.3, 9: 0.2, 10: 0.25})
    assert run.events == [
        ("evaluate", 3),
        ("best", 3),
        ("save", 4),
        ("evaluate", 6),
        ("best", 6),
        ("save", 8),
        ("evaluate", 9),
        ("evaluate", 10),
        ("save", 10),
    ]
    assert run.saved == TrainingState(
        step=10, evaluated_step=10, best_step=6, best_miou=0.3, loss_count=10
    )


def test_a_score_that_is_no_number_is_never_the_best():
    run = Run({3: float("nan"), 6: 0.1, 9: float("nan"), 10: 0.05})
    assert [step for kind, step in run.events if kind == "best"] == [6]


def test_averaged_weights_have_a_best_of_their_own():
    nan = float("nan")
    run = Run({3: (0.1, 0.2), 6: (0.3, nan), 9: (0.2, 0.3), 10: (0.1, 0.25)})
    bests = [event for event in run.events if event[0] in ("best", "ema")]
    assert bests == [("best", 3), ("ema", 3), ("best", 6), ("ema", 9)]
    assert run.saved == TrainingState(10, 10, 6, 0.3, 9, 0.3, 0, 10)


def test_a_signal_saves_and_stops_at_once():
    run = Run({3: 0.1}, stop_at=5)
    assert run.events[-1] == ("save", 5)
    assert run.step == 5
    assert run.checkpointer.state.best_miou == 0.1


def test_an_evaluation_that_was_broken_off_is_made_up_for():
    stopped = Run({3: 0.1, 6: 0.2}, stop_at=6)
    assert ("evaluate", 6) not in stopped.events
    assert stopped.saved == TrainingState(
        step=6, evaluated_step=3, best_step=3, best_miou=0.1, loss_count=6
    )
    resumed = Run({6: 0.2, 9: 0.1, 10: 0.1}, state=stopped.saved)
    assert resumed.events[:2] == [("evaluate", 6), ("best", 6)]
    assert resumed.saved.best_step == 6


def test_broken_weights_are_neither_evaluated_nor_saved():
    events = []
    checkpointer = EvaluateAndCheckpoint(
        Intervals(9, 1, 1),
        TrainingState(),
        checkpoints=None,
        evaluate=events.append,
        save_best=None,
    )
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.set_weights([np.array([[np.nan]]), np.array([0.0])])
    checkpointer.set_model(model)
    with pytest.raises(DivergedError, match="not finite after iteration 1"):
        checkpointer.on_step(1, {"loss": 1.0})
    assert events == []


def test_a_resume_does_not_evaluate_twice():
    state = TrainingState(step=6, evaluated_step=6, best_step=3, best_miou=0.5)
    run = Run({9: 0.1, 10: 0.1}, state=state)
    assert run.events[0] == ("save", 8)
