"""Checkpoints: everything comes back, damage is seen, the old ones go."""

import json
import os
import subprocess
import sys
import textwrap
import zipfile

import keras
import numpy as np
import pytest

from harness.mutations import mutate_json
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.run_dir.folder import (
    CheckpointFolder,
    TrainingState,
    read_state,
    save_checkpoint,
)
from keras_lraspp.training.optimizer import SGD


@pytest.fixture
def network():
    return make_network(0)


def make_network(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4)])
    model.compile(SGD(0.1), "mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


def step(model):
    model.train_on_batch(np.ones((2, 3)), np.ones((2, 4)))


@pytest.mark.backends
def test_weights_slots_and_state_come_back(tmp_path, network):
    step(network)
    folder = CheckpointFolder(tmp_path)
    state = TrainingState(step=7, evaluated_step=5, best_step=5, best_miou=0.25)
    folder.save(network, state)
    other = make_network(1)
    assert folder.restore(other.load_weights) == state
    for model in (network, other):
        step(model)
    for ours, theirs in zip(
        network.optimizer.variables, other.optimizer.variables, strict=True
    ):
        np.testing.assert_array_equal(
            *(keras.ops.convert_to_numpy(v) for v in (ours, theirs))
        )
    for ours, theirs in zip(network.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_newest_few_are_kept(tmp_path, network):
    folder = CheckpointFolder(tmp_path, keep=2)
    for number in (5, 900, 10, 11):
        folder.save(network, TrainingState(step=number))
    assert [path.name for path in folder.paths()] == [
        "step_00000900.keras",
        "step_00000011.keras",
    ]


@pytest.mark.parametrize("damage", ["truncated", "empty", "flipped"])
def test_a_damaged_one_is_passed_over_with_a_word(tmp_path, network, damage):
    folder = CheckpointFolder(tmp_path)
    folder.save(network, TrainingState(step=1))
    newest = folder.save(network, TrainingState(step=2))
    content = bytearray(newest.read_bytes())
    if damage == "flipped":
        content[len(content) // 2] ^= 0xFF
    newest.write_bytes(
        {"truncated": content[: len(content) // 2], "empty": b""}.get(damage, content)
    )
    with pytest.warns(UserWarning, match="Falling back.*step_00000002"):
        state = folder.restore(network.load_weights)
    assert state.step == 1


def test_every_flipped_byte_is_seen_or_harmless(tmp_path, network):
    """A flip is refused, or lies where it changes no weight (zip's own fields)."""
    save_checkpoint(network, path := tmp_path / "a.keras", TrainingState(step=3))
    content = path.read_bytes()
    wanted = network.get_weights()
    rng = np.random.default_rng(0)
    refused = 0
    for place in rng.choice(len(content), 120, replace=False):
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(flipped)
        try:
            assert read_state(path).step == 3
        except InputError:
            refused += 1
            continue
        other = make_network(1)
        other.load_weights(path)
        for ours, theirs in zip(wanted, other.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    assert refused > 90


def test_nothing_whole_left_is_an_error(tmp_path, network):
    folder = CheckpointFolder(tmp_path)
    folder.save(network, TrainingState(step=1)).write_bytes(b"")
    with (
        pytest.raises(InputError, match="None of the 1 checkpoints"),
        pytest.warns(UserWarning),
    ):
        folder.restore(network.load_weights)


def test_an_empty_folder_restores_nothing(tmp_path, network):
    assert CheckpointFolder(tmp_path / "none").restore(network.load_weights) is None


def test_a_failed_save_leaves_the_one_before(tmp_path, network, monkeypatch):
    folder = CheckpointFolder(tmp_path)
    folder.save(network, TrainingState(step=1))

    def full(path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(network, "save", full)
    with pytest.raises(StorageError, match="step_00000002.*No space left"):
        folder.save(network, TrainingState(step=2))
    assert [path.name for path in tmp_path.rglob("*")] == ["step_00000001.keras"]


def test_what_came_after_a_step_is_discarded_unless_nothing_is_left(tmp_path, network):
    folder = CheckpointFolder(tmp_path, keep=9)
    for number in (4, 5, 6):
        folder.save(network, TrainingState(step=number))
    folder.discard_after(4)
    assert [path.name for path in folder.paths()] == ["step_00000004.keras"]
    folder.discard_after(3)
    assert len(folder.paths()) == 1


def test_keep_is_at_least_one(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        CheckpointFolder(tmp_path, keep=0)


# Forked, so that nothing is imported a hundred times. A forked TensorFlow may hang, so
# a stand-in for the model writes and reads an archive as Keras does. Each child saves
# without pause until it is killed.
KILLED = """
    import os, pathlib, random, signal, sys, time, zipfile
    from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState

    class Model:
        def save(self, path):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("config.json", "{}")
                for part in ("metadata.json", "model.weights.h5"):
                    archive.writestr(part, f"{self.step:08d}" * 50_000)

        def load_weights(self, path):
            with zipfile.ZipFile(path) as archive:
                for part in ("metadata.json", "model.weights.h5"):
                    content = archive.read(part).decode()
                    self.step = int(content[:8])
                    assert content == f"{self.step:08d}" * 50_000

    model, other = Model(), Model()
    folder = CheckpointFolder(pathlib.Path(sys.argv[1]), keep=2)
    step = model.step = 0
    folder.save(model, TrainingState(step))
    random.seed(0)
    for kill in range(100):
        child = os.fork()
        if child == 0:
            while True:
                step += 1
                model.step = step
                folder.save(model, TrainingState(step))
        time.sleep(random.uniform(0.0, 0.1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        state = folder.restore(other.load_weights)
        # Not less than the last one that was whole: there was no falling back.
        assert state is not None and state.step >= step
        assert other.step == state.step
        step = state.step
    print(step, len(list(folder.folder.glob(".tmp-*"))))
"""


def test_a_checkpoint_loads_after_each_of_100_kills_while_saving(tmp_path):
    """Row 25 of the faults: each has the weights of its own step, and none is lost."""
    child = subprocess.run(
        [
            sys.executable,
            "-W",
            "error:Falling",
            "-c",
            textwrap.dedent(KILLED),
            str(tmp_path),
        ],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        },
        capture_output=True,
        text=True,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    steps, leftovers = map(int, child.stdout.split())
    assert steps > 20  # they did get to save
    assert leftovers > 20  # and were killed while saving


def test_a_mutated_state_brings_only_typed_errors(tmp_path):
    path, rng, refused = tmp_path / "step_00000007.keras", np.random.default_rng(0), 0
    whole = json.dumps(TrainingState(7, 5, 5, 0.25)._asdict())
    for _ in range(300):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("training_state.json", mutate_json(whole, rng))
        try:
            state = read_state(path)
        except InputError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert all(type(value) is int for value in state[:3])
    assert 200 < refused < 300
