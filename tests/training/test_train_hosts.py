"""Two processes that train as one, on JAX and this machine."""

import importlib.util
import json
import os
import shutil
import socket
import subprocess

import numpy as np
import pytest

from harness import tiny
from harness.children import command, environment

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs JAX; CI has it"
)
SECONDS = 120  # for a process that starts TensorFlow and JAX beside others

# As a door does, it prints the sentence of an error and exits with its code.
PROGRAM = """
    import json, os, pathlib, signal, sys
    import keras
    import numpy as np
    from harness import tiny
    from keras_lraspp.errors import InputError, UserError
    from keras_lraspp.training import callbacks

    pictures, folder, changes, special = sys.argv[1:]
    changes, special = json.loads(changes), json.loads(special)
    losses, networks = [], []
    check = callbacks.StopOnDivergence.on_step

    def on_step(self, step, logs):
        losses.append(float(logs["loss"]))
        if step == special.get("terminated_at"):
            os.kill(os.getpid(), signal.SIGTERM)
        if step == special.get("killed_at"):
            os.kill(os.getpid(), signal.SIGKILL)
        if step == special.get("fails_at"):
            raise InputError("an image of mine is gone")
        check(self, step, logs)

    def network(num_classes):
        networks.append(tiny.network(num_classes))
        return networks[-1]

    class EndsItself(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            print("told of epoch", epoch, logs["val_miou"])
            self.model.stop_training = True

    if changes.pop("ends_itself", False):
        changes["callbacks"] = [EndsItself]
    callbacks.StopOnDivergence.on_step = on_step
    try:
        result = tiny.run(
            pathlib.Path(pictures), pathlib.Path(folder), model=network, **changes
        )
    except UserError as error:
        print(error)
        sys.exit(error.exit_code)
    weights = [np.ravel(value).tolist() for value in networks[0].get_weights()]
    print(json.dumps({
        "step": result.step, "signal": result.signal, "miou": result.best_miou,
        "miou_ema": result.best_ema_miou,
        "losses": losses, "weights": sum(weights, []),
    }))
"""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    # Three to validate on: one process gets two of them.
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"), val_images=3)


def start(pictures, folder, changes, special=None, variables=None):
    arguments = pictures, folder, json.dumps(changes), json.dumps(special or {})
    return subprocess.Popen(
        command(PROGRAM, *arguments),
        env=environment(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu", **(variables or {})),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def start_two(pictures, folders, changes=None, special=None):
    """Starts process 0 and 1; what is special is for process 1."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        place = {"coordinator": f"localhost:{free.getsockname()[1]}", "processes": 2}
    return [
        start(root, folder, {**place, "process": index, **(changes or {})}, special)
        for index, (root, folder, special) in enumerate(
            zip(pictures, folders, [None, special], strict=True)
        )
    ]


def start_two_by_slurm(pictures, folder, changes):
    """Starts process 0 and 1 in the environment that `srun` makes."""
    job = os.getpid()
    # What JAX makes of the job's number must be free.
    while not is_free(65535 - 2**12 + 1 + job % 2**12):
        job += 1
    variables = {
        "SLURM_JOB_ID": str(job),
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_STEP_NUM_NODES": "1",
        "SLURM_NTASKS": "2",
    }
    return [
        start(
            pictures,
            folder,
            {"coordinator": "auto", **changes},
            variables={
                **variables,
                "SLURM_PROCID": str(index),
                "SLURM_LOCALID": str(index),
            },
        )
        for index in range(2)
    ]


def is_free(port):
    with socket.socket() as found:
        return found.connect_ex(("localhost", port)) != 0


def finish(children):
    """Returns exit codes and outputs."""
    try:
        outputs = [child.communicate(timeout=SECONDS)[0] for child in children]
    finally:
        for child in children:
            child.kill()
    return [child.returncode for child in children], outputs


def results(children):
    codes, outputs = finish(children)
    assert codes == [0] * len(children), "\n".join(outputs)[-3000:]
    return [json.loads(output.splitlines()[-1]) for output in outputs]


def test_two_processes_train_as_one_with_the_doubled_batch(pictures, tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "alone")]
    children = start_two([pictures] * 2, folders[:2])
    children.append(start(pictures, folders[2], {"batch_size": 4}))
    first, second, alone = results(children)
    assert first == second
    assert len(first["losses"]) == 10
    # Sums of float32 in another order.
    np.testing.assert_allclose(first["losses"], alone["losses"], rtol=1e-4)
    np.testing.assert_allclose(first["weights"], alone["weights"], atol=1e-4)
    assert first["miou"] == pytest.approx(alone["miou"], abs=1e-3)
    # One process writes, and what one process would have written.
    assert not folders[1].exists()
    written = [
        sorted(
            path.relative_to(folder)
            for path in folder.glob("**/*.*")
            if "tf" not in path.name
        )
        for folder in (folders[0], folders[2])
    ]
    assert written[0] == written[1]


@pytest.mark.slow
def test_two_processes_average_and_accumulate_as_one(pictures, tmp_path):
    folders = [tmp_path / name for name in ("first", "second", "alone")]
    changes = {"ema_momentum": 0.5, "accumulation": 2}
    children = start_two([pictures] * 2, folders[:2], changes)
    children.append(start(pictures, folders[2], {**changes, "batch_size": 4}))
    first, second, alone = results(children)
    assert first == second
    np.testing.assert_allclose(first["weights"], alone["weights"], atol=1e-4)
    # Its statistics are estimated from batches of one device.
    assert first["miou_ema"] == pytest.approx(alone["miou_ema"], abs=0.02)
    assert (folders[0] / "best_ema.keras").is_file() and not folders[1].exists()


@pytest.mark.slow
def test_a_signal_to_one_stops_both_and_slurm_resumes_both(pictures, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    whole = results(start_two([pictures] * 2, [tmp_path / "whole", folders[1]]))[0]
    children = start_two([pictures] * 2, folders, special={"terminated_at": 3})
    first, second = results(children)
    assert first == second
    assert (first["step"], first["signal"]) == (4, 15)
    assert (folders[0] / "checkpoints" / "step_00000004.keras").is_file()
    shutil.copytree(folders[0], tmp_path / "alone")
    resumed = start_two_by_slurm(pictures, folders[0], {"resume": True})
    first, second = results(resumed)
    assert first == second
    assert first["step"] == 10
    np.testing.assert_allclose(first["losses"][-1], whole["losses"][-1], rtol=1e-6)
    np.testing.assert_allclose(first["weights"], whole["weights"], atol=1e-6)
    assert not folders[1].exists()
    # One process goes on where two stopped.
    changes = {"batch_size": 4, "resume": True}
    (alone,) = results([start(pictures, tmp_path / "alone", changes)])
    np.testing.assert_allclose(alone["weights"], whole["weights"], atol=1e-4)


@pytest.mark.slow
def test_what_one_process_cannot_do_ends_both_with_its_sentence(pictures, tmp_path):
    folders = [tmp_path / name for name in ("first", "second")]
    # Before the training: both say what is wrong.
    codes, outputs = finish(start_two([pictures, tmp_path / "none"], folders))
    assert codes == [2, 2], outputs
    assert "none" in outputs[0].splitlines()[-1]
    assert outputs[0].splitlines()[-1].startswith("Process 1: ")
    # While the first writes, for which it finds no folder.
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "checkpoints").write_text("no folder")
    codes, outputs = finish(start_two([pictures] * 2, [blocked, folders[1]]))
    assert codes == [3, 3], outputs
    assert "Cannot write" in outputs[0].splitlines()[-1]
    assert outputs[1].splitlines()[-1].startswith("Process 0: Cannot write")
    # By the numbers, which are the same: both diverge.
    codes, outputs = finish(
        start_two([pictures] * 2, folders, {"learning_rate": 1e9, "iterations": 40})
    )
    assert codes == [4, 4], outputs
    assert all("Training diverged" in output for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["fails_at", "killed_at"])
def test_a_process_that_ends_in_between_ends_the_other_in_time(pictures, tmp_path, end):
    folders = [tmp_path / name for name in ("first", "second")]
    codes, outputs = finish(start_two([pictures] * 2, folders, special={end: 5}))
    assert codes == [3, {"fails_at": 2, "killed_at": -9}[end]], outputs
    assert "lost the other processes" in outputs[0]
    assert ("an image of mine is gone" in outputs[1]) == (end == "fails_at")
    # The checkpoint of step 4 stays.
    assert (folders[0] / "checkpoints" / "step_00000004.keras").is_file()


@pytest.mark.slow
def test_a_callback_of_the_first_process_ends_both(pictures, tmp_path):
    folders = [tmp_path / "0", tmp_path / "1"]
    changes = {"ends_itself": True}
    codes, outputs = finish(start_two([pictures, pictures], folders, changes))
    assert codes == [0, 0], "\n".join(outputs)[-3000:]
    first, second = (json.loads(output.splitlines()[-1]) for output in outputs)
    assert first["step"] == second["step"] == 5
    assert first["weights"] == second["weights"]
    assert ["told of epoch 0" in output for output in outputs] == [True, False]
    assert (folders[0] / "checkpoints" / "step_00000005.keras").is_file()
