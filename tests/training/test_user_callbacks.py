"""Keras callbacks of the user: what they are told, and how they end a training."""

import csv
import re
from functools import partial

import keras
import pytest

from harness import tiny
from harness.documents import ROOT
from keras_lraspp import config
from keras_lraspp.errors import InputError
from keras_lraspp.training.user_callbacks import make_callbacks


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


class Recorder(keras.callbacks.Callback):
    """Writes down what it is told; stops after a batch, or fails."""

    def __init__(self, stop_after=None, fail_after=None):
        super().__init__()
        self.told = []
        self.stop_after = stop_after  # batches that it has seen
        self.fail_after = fail_after
        self.batches = 0

    def on_train_begin(self, logs=None):
        self.told.append(("begin", dict(self.params)))

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append(("epoch begins", epoch))

    def on_epoch_end(self, epoch, logs=None):
        weights = self.model.get_weights()
        self.told.append(("epoch ends", epoch, logs, float(weights[0].sum())))

    def on_train_batch_end(self, batch, logs=None):
        self.told.append(("batch", batch))
        self.batches += 1
        if self.batches == self.stop_after:
            self.model.stop_training = True
        if self.batches == self.fail_after:
            raise RuntimeError("the tracking server is away")

    def on_train_end(self, logs=None):
        self.told.append(("end", logs))


def logged(output):
    with open(output / "log.csv", newline="") as file:
        rows = csv.DictReader(file)
        return {int(row["step"]): row for row in rows if row["miou"]}


def saved(output):
    return max(path.name for path in (output / "checkpoints").glob("*.keras"))


@pytest.mark.backends
def test_an_evaluation_ends_an_epoch(pictures, tmp_path):
    recorder = Recorder()
    tiny.run(pictures, tmp_path, callbacks=[recorder], ema_momentum=0.5)
    told = recorder.told
    steps = [("batch", number) for number in range(5)]
    assert told[0] == ("begin", {"epochs": 2, "steps": 5, "verbose": 0})
    assert [row[:2] for row in told[1:-1]] == [
        *[("epoch begins", 0), *steps, ("epoch ends", 0)],
        *[("epoch begins", 1), *steps, ("epoch ends", 1)],
    ]
    ends = [row for row in told if row[0] == "epoch ends"]
    for step, (_, _, logs, _) in zip((5, 10), ends, strict=True):
        row = logged(tmp_path)[step]
        assert logs["val_miou"] == pytest.approx(float(row["miou"]))
        accuracy = float(row["pixel_accuracy"])
        assert logs["val_pixel_accuracy"] == pytest.approx(accuracy)
        assert logs["val_miou_ema"] == pytest.approx(float(row["miou_ema"]))
        assert logs["loss"] > 0
    assert ends[0][2]["learning_rate"] > ends[1][2]["learning_rate"] == 0
    assert ends[0][3] != ends[1][3]  # the weights of that moment, also on JAX
    assert told[-1] == ("end", ends[1][2])


@pytest.mark.backends
def test_a_callback_ends_the_training_and_a_resume_goes_on(pictures, tmp_path, capsys):
    first, second = Recorder(stop_after=7), Recorder()
    result = tiny.run(pictures, tmp_path, callbacks=[first])
    assert result.step == 7 and saved(tmp_path) == "step_00000007.keras"
    assert "stopped by a callback after iteration 7" in capsys.readouterr().out
    result = tiny.run(pictures, tmp_path, callbacks=[second], resume=True)
    assert result.step == 10
    # Counted as if it had never been stopped.
    assert second.told[1:5] == [
        ("epoch begins", 1),
        ("batch", 2),
        ("batch", 3),
        ("batch", 4),
    ]
    assert second.told[5][:2] == ("epoch ends", 1)


def test_an_error_of_a_callback_is_raised_and_the_step_kept(pictures, tmp_path):
    with pytest.raises(RuntimeError, match="the tracking server is away"):
        tiny.run(pictures, tmp_path, callbacks=[Recorder(fail_after=3)])
    assert saved(tmp_path) == "step_00000003.keras"


def test_early_stopping_checkpoints_and_csv_of_keras(pictures, tmp_path):
    stopping = partial(
        keras.callbacks.EarlyStopping, "val_miou", min_delta=1.0, patience=1, mode="max"
    )
    best = str(tmp_path / "model_{epoch}_{val_miou:.4f}.keras")
    result = tiny.run(
        pictures,
        tmp_path / "run",
        iterations=20,
        callbacks=[
            stopping,
            keras.callbacks.ModelCheckpoint(best, "val_miou", mode="max"),
            keras.callbacks.CSVLogger(tmp_path / "epochs.csv"),
            keras.callbacks.TensorBoard(tmp_path / "board"),
        ],
    )
    assert result.step == 10  # the second epoch was not better by 1
    scores = logged(tmp_path / "run")
    names = [
        f"model_{epoch}_{float(scores[step]['miou']):.4f}.keras"
        for epoch, step in ((1, 5), (2, 10))
    ]
    assert sorted(path.name for path in tmp_path.glob("*.keras")) == names
    with open(tmp_path / "epochs.csv", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [float(row["val_miou"]) for row in rows] == pytest.approx(
        [float(scores[step]["miou"]) for step in (5, 10)]
    )
    assert [*(tmp_path / "board").rglob("events*")]


def test_mlflow_gets_the_scores(pictures, tmp_path, monkeypatch):
    """As the page on training says it."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow = pytest.importorskip("mlflow")
    pytest.importorskip("mlflow.keras")
    mlflow.set_tracking_uri((tmp_path / "mlruns").as_uri())
    page = (ROOT / "docs/training.md").read_text()
    code = re.search(r"```python\n(# my_callbacks.py\n.*?)```", page, re.S)[1]
    bindings = re.search(r"```gin\n(import my_callbacks\n.*?)```", page, re.S)[1]
    (tmp_path / "my_callbacks.py").write_text(code)
    (tmp_path / "mine.gin").write_text('include "quickstart.gin"\n' + bindings)
    monkeypatch.syspath_prepend(tmp_path)
    config.load_config([tmp_path / "mine.gin"])
    tiny.run(pictures, tmp_path / "run", **config.bound("train", "callbacks"))
    run = mlflow.active_run().info
    mlflow.end_run()
    history = mlflow.MlflowClient().get_metric_history(run.run_id, "val_miou")
    assert [row.value for row in history] == pytest.approx(
        [float(row["miou"]) for row in logged(tmp_path / "run").values()]
    )


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (3, r"callbacks\[1\] is or makes a int, not a Keras callback"),
        ("CSVLogger", r"callbacks\[1\] is or makes a str, not a Keras callback"),
        (dict, r"callbacks\[1\] is or makes a dict, not a Keras callback"),
        (keras.callbacks.ReduceLROnPlateau, "cannot work here.*train.schedule"),
        (partial(keras.callbacks.BackupAndRestore, "a"), "cannot work .*--resume"),
    ],
)
def test_what_is_no_callback_or_cannot_work(source, sentence):
    with pytest.raises(InputError, match=sentence):
        make_callbacks([Recorder, source])


def test_callbacks_in_a_configuration(tmp_path):
    config.load_config(
        ["quickstart.gin"],
        ["train.callbacks = [@CSVLogger]", f"CSVLogger.filename = '{tmp_path}/a.csv'"],
    )
    (source,) = config.bound("train", "callbacks")["callbacks"]
    (callback,) = make_callbacks([source])
    assert callback.filename == f"{tmp_path}/a.csv"
    with pytest.raises(InputError, match="CSVLogger has no parameter file; did you"):
        config.load_config(["quickstart.gin"], ["CSVLogger.file = 'a.csv'"])
    config.load_config(["quickstart.gin"], ["train.callbacks = [@CSVLogger]"])
    (source,) = config.bound("train", "callbacks")["callbacks"]
    with pytest.raises(InputError, match="configured CSVLogger:.*filename"):
        make_callbacks([source])
