"""Accidents in the middle of a training: data, callbacks, best model; and the log."""

import csv
import io
import re
import shutil
import zipfile

import h5py
import numpy as np
import pytest

from harness import tiny
from harness.stopping import stop_at_step
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.run_dir.best_model import read_best
from keras_lraspp.run_dir.folder import CheckpointFolder, read_state
from keras_lraspp.training.callbacks import Progress, StepCallback

# Evaluated at 5 and 10; saved at 9 and 10; a line of the log every 4 steps.
INTERVALS = {"eval_interval": 5, "save_interval": 9, "log_interval": 4}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory):
    """A run that nothing happened to."""
    output = tmp_path_factory.mktemp("whole")
    tiny.run(pictures, output, **INTERVALS)
    return output


def arrays(output, step=10):
    """Weights and the optimizer's state, by name."""
    found = {}
    path = output / f"checkpoints/step_{step:08d}.keras"
    with zipfile.ZipFile(path) as archive:
        content = io.BytesIO(archive.read("model.weights.h5"))

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            found[name] = item[()]

    with h5py.File(content) as file:
        file.visititems(collect)
    return found


def losses(output):
    with open(output / "log.csv", newline="") as file:
        return [(r["step"], r["loss"], r["miou"]) for r in csv.DictReader(file)]


def assert_as_if_nothing_happened(output, whole):
    ours, theirs = arrays(output), arrays(whole)
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        np.testing.assert_array_equal(value, theirs[name], err_msg=name)
    assert losses(output) == losses(whole)
    paths = (folder / "checkpoints/step_00000010.keras" for folder in (output, whole))
    assert len({read_state(path) for path in paths}) == 1


@pytest.fixture
def at_step(monkeypatch):
    """Returns a function that lets something happen once, after a step's callbacks."""

    def set_event(step, event):
        plain, happened = StepCallback.on_train_batch_end, []

        def end(self, batch, logs=None):
            plain(self, batch, logs)
            if self.start_step + batch + 1 == step and not happened:
                happened.append(event())

        monkeypatch.setattr(StepCallback, "on_train_batch_end", end)

    return set_event


@pytest.mark.backends
def test_a_reader_s_error_saves_the_last_step_and_a_resume_equals_a_whole_run(
    pictures, whole, tmp_path, at_step, capsys
):
    """On TensorFlow the optimizer counts a step that gets no batch."""
    copy, output = tmp_path / "pictures", tmp_path / "run"
    shutil.copytree(pictures, copy)

    def cut_images():
        for image in [*copy.glob("image/train*")]:
            # Readers are at work: whoever has it open reads the old one to its end.
            short = image.with_suffix(".cut")
            short.write_bytes(image.read_bytes()[:99])
            short.replace(image)

    at_step(2, cut_images)
    with pytest.raises(InputError, match="train_.*png is damaged"):
        tiny.run(copy, output, **INTERVALS)
    (newest,) = CheckpointFolder(output / "checkpoints").paths()
    step = read_state(newest).step
    assert f"saved iteration {step}; --resume goes on" in capsys.readouterr().out
    # Batches that were read before may still be trained on.
    assert 2 <= step < 10
    tiny.run(pictures, output, resume=True, **INTERVALS)
    assert_as_if_nothing_happened(output, whole)


def test_an_error_of_a_callback_saves_the_step_too(pictures, whole, tmp_path, at_step):
    def fail():
        raise ZeroDivisionError

    at_step(5, fail)
    with pytest.raises(ZeroDivisionError):
        tiny.run(pictures, tmp_path, **INTERVALS)
    assert read_state(*CheckpointFolder(tmp_path / "checkpoints").paths()).step == 5
    tiny.run(pictures, tmp_path, resume=True, **INTERVALS)
    assert_as_if_nothing_happened(tmp_path, whole)


def test_a_damaged_validation_image_costs_no_step(pictures, whole, tmp_path, at_step):
    copy, output = tmp_path / "pictures", tmp_path / "run"
    shutil.copytree(pictures, copy)
    at_step(3, lambda: (copy / "image/val_1.png").write_bytes(b""))
    with pytest.raises(InputError, match="val_1.png is not an image"):
        tiny.run(copy, output, **INTERVALS)
    assert read_state(*CheckpointFolder(output / "checkpoints").paths()).step == 5
    tiny.run(pictures, output, resume=True, **INTERVALS)
    assert_as_if_nothing_happened(output, whole)


def test_a_disk_that_is_full_is_not_written_to_again(pictures, tmp_path, monkeypatch):
    def fail(self, model, state):
        raise StorageError("Cannot write: full.")

    monkeypatch.setattr(CheckpointFolder, "save", fail)
    with pytest.raises(StorageError, match="full"):  # no warning of a second try
        tiny.run(pictures, tmp_path, **INTERVALS)


@pytest.mark.backends
def test_the_log_of_a_resumed_run_says_the_same_losses(pictures, whole, tmp_path):
    stop_at_step(7, pictures, tmp_path, **INTERVALS)  # between 4 and 8
    tiny.run(pictures, tmp_path, resume=True, **INTERVALS)
    assert losses(tmp_path) == losses(whole)


def test_a_damaged_best_model_is_replaced(pictures, whole, tmp_path):
    output = tmp_path / "run"
    shutil.copytree(whole, output)
    before = read_best(output / "best.keras")
    (output / "best.keras").write_bytes(b"PK")
    with pytest.warns(UserWarning, match="best.keras.*next evaluation writes a new"):
        result = tiny.run(pictures, output, resume=True, **INTERVALS)
    assert (output / "best.damaged").read_bytes() == b"PK"
    best = read_best(output / "best.keras")  # of the last step, which is all there is
    assert (best.step, best.miou) == (10, result.best_miou)
    assert best.miou <= before.miou


def test_a_best_model_newer_than_the_checkpoint_is_not_overwritten(
    pictures, whole, tmp_path
):
    """As when the newest checkpoint is damaged."""
    output = tmp_path / "run"
    shutil.copytree(whole, output)
    text = read_state(output / "checkpoints/step_00000009.keras")
    assert text.step == 9
    (output / "checkpoints/step_00000010.keras").write_bytes(b"")
    with zipfile.ZipFile(output / "best.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["keras_lraspp.json"] = re.sub(
        rb'"miou": [0-9.]+', b'"miou": 0.99', members["keras_lraspp.json"]
    )
    with zipfile.ZipFile(output / "best.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    content = (output / "best.keras").read_bytes()
    with pytest.warns(UserWarning, match="Falling back"):
        result = tiny.run(pictures, output, resume=True, **INTERVALS)
    assert result.best_miou == 0.99
    assert (output / "best.keras").read_bytes() == content


def test_the_mean_loss_of_a_line_is_that_of_its_steps(pictures, tmp_path, monkeypatch):
    """The number that goes into the state, by hand."""
    seen = []
    plain = Progress.on_step

    def on_step(self, step, logs):
        plain(self, step, logs)
        seen.append(logs["loss"])

    monkeypatch.setattr(Progress, "on_step", on_step)
    stop_at_step(7, pictures, tmp_path, **INTERVALS)
    state = read_state(*CheckpointFolder(tmp_path / "checkpoints").paths())
    assert state.loss_count == 3 * 2  # images since step 4
    assert state.loss_total / state.loss_count == pytest.approx(seen[-1], rel=1e-6)
