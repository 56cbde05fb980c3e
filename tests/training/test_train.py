"""A whole training, on every backend, and what can go wrong in one."""

import csv
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness import tiny
from harness.stopping import stop_at_step
from keras_lraspp import LRASPP
from keras_lraspp.errors import DivergedError, InputError, StorageError
from keras_lraspp.models.keras_file import load_weights
from keras_lraspp.run_dir.folder import CheckpointFolder, read_state
from keras_lraspp.training.schedule import WarmupPolynomial

pytestmark = pytest.mark.usefixtures("few_blocks")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="module")
def finished(pictures, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    result = tiny.run(
        pictures,
        output,
        model=tiny.SMALLEST,
        operative_config=lambda: "# the config\n",
    )
    return output, result


def rows(output):
    with open(output / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


def weights_of(path, factory=tiny.network):
    model = factory(num_classes=3)
    load_weights(model, path)
    return model.get_weights()


def picture_tags(output):
    """What TensorBoard calls the pictures of a run."""
    (path,) = output.glob("events.out.tfevents.*")
    tags = set()
    for record in tf.data.TFRecordDataset(str(path)):
        for value in tf.compat.v1.Event.FromString(record.numpy()).summary.value:
            if value.metadata.plugin_data.plugin_name == "images":
                tags.add(value.tag)
    return tags


@pytest.mark.backends
def test_a_training_leaves_all_that_it_promises(finished):
    output, result = finished
    assert result.step == 10 and result.signal is None
    names = {path.name for path in output.iterdir()}
    assert sum(name.startswith("events.out.tfevents.") for name in names) == 1
    assert picture_tags(output) == {
        "validation/image/val_0.png",
        "validation/image/val_1.png",
    }
    assert {name for name in names if "tfevents" not in name} == {
        ".lock",
        "best.keras",
        "checkpoints",
        "config.gin",
        "log.csv",
        "report.html",
        "run.json",
        "versions.json",
    }
    assert (output / "config.gin").read_text() == "# the config\n"
    versions = json.loads((output / "versions.json").read_text())
    assert versions["backend"] == keras.backend.backend()
    assert versions["packages"]["keras"] == keras.__version__
    names = [path.name for path in CheckpointFolder(output / "checkpoints").paths()]
    assert names == [f"step_{step:08d}.keras" for step in (10, 8, 4)]


@pytest.mark.backends
def test_the_log_has_the_schedule_and_the_scores(finished):
    output, result = finished
    schedule = WarmupPolynomial(0.05, 10, warmup_steps=2, warmup_rate=1e-3)
    rates = {
        int(r["step"]): float(r["learning_rate"]) for r in rows(output) if r["loss"]
    }
    assert rates == {
        step: pytest.approx(float(schedule(step)), abs=1e-7)
        for step in (2, 4, 6, 8, 10)
    }
    scores = {int(r["step"]): float(r["miou"]) for r in rows(output) if r["miou"]}
    assert set(scores) == {5, 10}
    assert result.best_miou == max(scores.values()) == scores[result.best_step]


@pytest.mark.backends
def test_the_best_model_has_no_optimizer_and_says_its_classes(finished):
    output, result = finished
    with zipfile.ZipFile(output / "best.keras") as archive:
        card = json.loads(archive.read("keras_lraspp.json"))
        assert not json.loads(archive.read("config.json"))["compile_config"]
    assert card["classes"] == ["class 0", "class 1", "class 2"]
    assert card["miou"] == result.best_miou
    assert len(weights_of(output / "best.keras", tiny.SMALLEST)) > 60


@pytest.mark.backends
@pytest.mark.parametrize("precision", ["float32", "mixed_float16"])
def test_a_resumed_run_equals_one_never_stopped(pictures, tmp_path, precision):
    """Step, rate, optimizer slots, data position and best score all come back."""
    whole = tiny.run(pictures, tmp_path / "whole", precision=precision)
    stop_at_step(4, pictures, tmp_path / "parts", precision=precision)
    state = read_state(CheckpointFolder(tmp_path / "parts/checkpoints").paths()[0])
    assert state.step == 4
    parts = tiny.run(pictures, tmp_path / "parts", precision=precision, resume=True)

    newest = "checkpoints/step_00000010.keras"
    pairs = zip(
        weights_of(tmp_path / "whole" / newest),
        weights_of(tmp_path / "parts" / newest),
        strict=True,
    )
    tolerance = 1e-5 if precision == "float32" else 2e-2
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)
    assert parts.step == whole.step == 10
    assert parts.best_miou == pytest.approx(whole.best_miou, abs=0.02)
    steps = [
        [row["step"] for row in rows(tmp_path / name)] for name in ("whole", "parts")
    ]
    assert steps[0] == steps[1]
    losses = [
        [float(row["loss"]) for row in rows(tmp_path / name) if row["loss"]]
        for name in ("whole", "parts")
    ]
    np.testing.assert_allclose(*losses, rtol=1e-4 if precision == "float32" else 2e-2)


def test_a_killed_run_resumes_from_its_newest_checkpoint(pictures, tmp_path):
    """SIGKILL, which nothing can catch, in a process of its own."""
    program = textwrap.dedent(
        """
        import pathlib, sys
        from harness import tiny
        pictures, output = map(pathlib.Path, sys.argv[1:])
        tiny.run(pictures, output, iterations=10_000, save_interval=3)
        """
    )
    output = tmp_path / "killed"
    paths = os.pathsep.join(path for path in sys.path if path)
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(pictures), str(output)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    folder = CheckpointFolder(output / "checkpoints")
    deadline = time.monotonic() + 120
    while len(folder.paths()) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    with pytest.raises(StorageError, match="Another training writes to"):
        tiny.run(pictures, output, resume=True)
    child.kill()
    child.wait()
    step = read_state(folder.paths()[0]).step
    result = tiny.run(pictures, output, iterations=step + 2, resume=True)
    assert result.step == step + 2
    assert not list(output.rglob(".tmp-*"))


def test_a_truncated_newest_checkpoint_is_passed_over(
    finished, pictures, tmp_path, capsys
):
    output = tmp_path / "copy"
    shutil.copytree(finished[0], output)
    newest = CheckpointFolder(output / "checkpoints").paths()[0]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.warns(UserWarning, match="Falling back"):
        result = tiny.run(pictures, output, resume=True, model=tiny.SMALLEST)
    assert "resuming after iteration 8" in capsys.readouterr().out
    assert result.step == 10


@pytest.mark.backends
def test_a_far_too_high_rate_stops_and_keeps_the_last_good(pictures, tmp_path):
    output = tmp_path / "hot"
    tiny.run(pictures, output, iterations=4, eval_interval=2, save_interval=2)
    before = (output / "best.keras").read_bytes()
    with pytest.raises(DivergedError, match="Training diverged"):
        tiny.run(
            pictures,
            output,
            iterations=40,
            eval_interval=50,
            save_interval=1,
            learning_rate=1e20,
            resume=True,
        )
    assert (output / "best.keras").read_bytes() == before
    newest = CheckpointFolder(output / "checkpoints").paths()[0]
    assert all(np.isfinite(weight).all() for weight in weights_of(newest))


def test_a_run_is_not_overwritten_without_resume(finished, pictures):
    with pytest.raises(InputError, match="holds a run.*--resume"):
        tiny.run(pictures, finished[0])


def test_another_variant_is_not_resumed(finished, pictures, tmp_path):
    output = tmp_path / "copy"
    shutil.copytree(finished[0], output)
    other = partial(LRASPP, backbone="small", width=0.5, output_stride=32)
    with pytest.raises(InputError, match="width=0.35 in the file, 0.5 here"):
        tiny.run(pictures, output, resume=True, model=other)


def test_resume_without_a_checkpoint_starts_from_the_beginning(
    pictures, tmp_path, capsys
):
    result = tiny.run(pictures, tmp_path, resume=True, iterations=3)
    assert "nothing to resume" in capsys.readouterr().out
    assert result.step == 3


def test_an_output_folder_that_cannot_be_written_stops_at_once(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="Cannot write to the output folder"):
        tiny.run(pictures, tmp_path / "file" / "run")


def test_bad_arguments_get_one_sentence(pictures, tmp_path):
    with pytest.raises(InputError, match="precision is one of"):
        tiny.run(pictures, tmp_path / "a", precision="float8")
    large = partial(LRASPP, backbone="small", width=0.35, pooling="large_kernel")
    with pytest.raises(InputError, match="smallest side is 385"):
        tiny.run(pictures, tmp_path / "b", model=large)
    with pytest.raises(InputError, match="val.txt"):
        (pictures / "val.txt").rename(pictures / "gone.txt")
        try:
            tiny.run(pictures, tmp_path / "c")
        finally:
            (pictures / "gone.txt").rename(pictures / "val.txt")
