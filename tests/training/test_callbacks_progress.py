"""The lines a person watches, during a real `fit`."""

import keras
import numpy as np
import pytest

from keras_lraspp.training import callbacks as module
from keras_lraspp.training.callbacks import Progress

pytestmark = pytest.mark.backends


class Notes:
    """A journal that keeps its scalars."""

    def __init__(self):
        self.rows = []

    def log_scalars(self, step, values):
        self.rows.append((step, dict(values)))


class Clock:
    """Time that passes only when told."""

    now = 0.0

    def perf_counter(self):
        return self.now


class Passing(keras.callbacks.Callback):
    """Lets a second pass with every step."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def on_train_batch_begin(self, batch, logs=None):
        self.clock.now += 1.0


class Flat(keras.losses.Loss):
    """A loss equal to the mean of the targets, whatever the prediction."""

    def call(self, y_true, y_pred):
        return y_true + 0 * y_pred


class Status:
    """A status line that keeps what it showed."""

    def __init__(self, moves):
        self.moves = moves
        self.shown = []

    def show(self, fields):
        if self.moves:
            self.shown.append("  ".join(text for _, text in fields))


def fit(monkeypatch, moves=False):
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    notes, lines = Notes(), []
    callback = Progress(
        notes,
        iterations=9,
        batch_size=4,
        log_interval=3,
        start_step=2,
        write=lines.append,
    )
    callback._status = Status(moves)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.25), Flat(), jit_compile=False)
    targets = np.arange(3.0, 10.0).reshape(7, 1)  # the step itself is the loss
    model.fit(
        np.zeros((7, 1)),
        targets,
        batch_size=1,
        shuffle=False,
        verbose=0,
        callbacks=[Passing(clock), callback],
    )
    return notes, lines, callback, clock


@pytest.fixture
def run(monkeypatch):
    return fit(monkeypatch)


def test_losses_are_means_since_the_line_before(run):
    notes, lines, _, _ = run
    steps = [step for step, _ in notes.rows]
    losses = [values["loss"] for _, values in notes.rows]
    assert steps == [3, 6, 9]
    # The first step is step 3, whose line holds it alone.
    assert losses == pytest.approx([3.0, (4 + 5 + 6) / 3, (7 + 8 + 9) / 3])
    assert lines[0].startswith("first step after 1.0 s")
    assert lines[2].startswith("iteration 6/9  loss 5.0000  lr 0.25")


def test_the_rate_leaves_out_the_first_step(run):
    notes, lines, _, _ = run
    assert "images_per_second" not in notes.rows[0][1]
    assert notes.rows[1][1]["images_per_second"] == pytest.approx(4.0)
    assert "ETA 0:03" in lines[2]


def test_pauses_do_not_count(run):
    notes, _, callback, clock = run
    callback.iterations = 12
    clock.now += 2.0
    with callback.paused():
        clock.now += 100.0
    clock.now += 1.0
    callback.on_step(12, {"loss": 1.0})
    assert notes.rows[-1][1]["images_per_second"] == pytest.approx(4.0)


def test_a_terminal_shows_every_step_and_prints_no_lines(monkeypatch):
    notes, lines, callback, _ = fit(monkeypatch, moves=True)
    assert lines == ["first step after 1.0 s"]
    rest = "lr 0.25  4.00 images/s"
    assert callback._status.shown == [
        "the first step compiles",
        "3/9  loss 3.0000  lr 0.25",
        # Until the next mean the last one stays.
        "4/9  loss 3.0000  lr 0.25",
        "5/9  loss 3.0000  lr 0.25",
        f"6/9  loss 5.0000  {rest}  ETA 0:03",
        f"7/9  loss 5.0000  {rest}  ETA 0:02",
        f"8/9  loss 5.0000  {rest}  ETA 0:01",
        f"9/9  loss 8.0000  {rest}  ETA 0:00",
    ]
    assert len(notes.rows) == 3
    with callback.paused():
        callback.best = lambda: 0.43219
    assert callback._status.shown[-1].endswith("ETA 0:00  best mIoU 0.4322")


def test_the_best_score_is_in_the_line(run):
    _, lines, callback, _ = run
    callback.best = lambda: 0.43219
    callback.on_step(9, {"loss": 1.0})
    assert lines[-1].endswith("  best mIoU 0.4322")
