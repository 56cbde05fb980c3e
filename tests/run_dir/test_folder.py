"""Checkpoints: everything comes back, damage is seen, the old ones go."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
import warnings
import zipfile

import keras
import numpy as np
import pytest

from harness import warned
from harness.children import command
from harness.mutations import mutate_json
from keras_lraspp.errors import InputError, StorageError
from keras_lraspp.run_dir.folder import (
    CheckpointFolder,
    TrainingState,
    read_state,
    run_folder,
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
    with pytest.warns(UserWarning, match="Falling back.*step_00000002") as caught:
        state = folder.restore(network.load_weights)
    assert state.step == 1
    assert "is kept as step_00000002.damaged; 1 such in" in warned.texts(caught)[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was said once
        assert folder.restore(network.load_weights).step == 1


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
    for _ in range(2):  # they stay: a resume must not start from the beginning
        with pytest.raises(InputError, match="None of the 1 checkpoints.*not a zip"):
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


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def steps(folder):
    return [int(path.stem[5:]) for path in folder.paths()]


def saved(path, network, numbers, keep=9, damaged=()):
    """Saves checkpoints of these steps, and cuts some of them."""
    folder = CheckpointFolder(path, keep=9)
    for number in numbers:
        file = folder.save(network, TrainingState(step=number))
        if number in damaged:
            file.write_bytes(file.read_bytes()[:-30])
    return CheckpointFolder(path, keep)  # as in a new process


@pytest.mark.parametrize(
    ("numbers", "damaged", "keep", "step", "left"),
    [
        ((4, 8, 12), {12}, 1, 8, [16]),
        ((4, 8, 12), {12}, 2, 8, [16, 8]),
        ((4, 8, 12), {8}, 2, 12, [16, 12]),
        ((1, 2, 3, 12), {2, 3}, 3, 12, [16, 12, 1]),
        ((4, 8, 12, 14), {12, 14}, 1, 8, [16]),
        ((4, 8, 12, 20), {20}, 3, 12, [16, 12, 8]),
        ((4, 8, 12), (), 1, 12, [16]),  # `keep` was larger before
    ],
)
@pytest.mark.filterwarnings("ignore:.*It is kept as step_")
def test_row_47_only_whole_checkpoints_are_counted(
    tmp_path, network, numbers, damaged, keep, step, left
):
    folder = saved(tmp_path, network, numbers, keep, damaged)
    assert folder.restore(network.load_weights).step == step
    folder.save(network, TrainingState(step=16))
    assert steps(folder) == left
    for number in left:
        assert read_state(tmp_path / f"step_{number:08d}.keras").step == number
    aside = {f"step_{number:08d}.damaged" for number in damaged}
    assert {*names(tmp_path)} - {path.name for path in folder.paths()} == aside


def test_a_checkpoint_that_is_damaged_while_the_training_runs(tmp_path, network):
    folder = CheckpointFolder(tmp_path, keep=2)
    for number in (1, 2, 3):
        folder.save(network, TrainingState(step=number))
    (tmp_path / "step_00000003.keras").write_bytes(b"PK")
    with pytest.warns(UserWarning, match="step_00000003.keras.*step_00000003.damaged"):
        folder.save(network, TrainingState(step=4))
    assert steps(folder) == [4, 2]


def test_foreign_files_are_neither_read_nor_counted_nor_removed(tmp_path, network):
    (tmp_path / "step_00000098.keras").mkdir()
    os.mkfifo(tmp_path / "step_00000099.keras")  # would keep a reader waiting
    (tmp_path / "step_00000097.keras").symlink_to("step_00000097.keras")
    for name in ("step_5.keras", "notes.txt", "step_00000006.keras.bak"):
        (tmp_path / name).write_text("")
    before = names(tmp_path)
    folder = CheckpointFolder(tmp_path, keep=1)
    for number in (1, 2):
        folder.save(network, TrainingState(step=number))
    assert folder.restore(network.load_weights).step == 2
    assert names(tmp_path) == sorted([*before, "step_00000002.keras"])


def test_a_checkpoint_by_the_name_of_another_step_is_not_taken(tmp_path, network):
    folder = saved(tmp_path, network, (4, 8), keep=1)
    shutil.copy(tmp_path / "step_00000004.keras", tmp_path / "step_00000090.keras")
    with pytest.warns(UserWarning, match="its state is that of step 4"):
        assert folder.restore(network.load_weights).step == 8
    folder.save(network, TrainingState(step=9))
    assert steps(folder) == [9]


@pytest.mark.filterwarnings("ignore:.*It is kept as step_")
def test_a_divergence_leaves_the_newest_where_all_others_are_damaged(tmp_path, network):
    folder = saved(tmp_path, network, (4, 8, 12), damaged={4, 8})
    folder.discard_after(10)
    assert steps(folder) == [12]


def test_a_file_that_cannot_be_opened_is_not_taken_for_damaged(
    tmp_path, network, monkeypatch
):
    folder = saved(tmp_path, network, (4, 8))

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("keras_lraspp.run_dir.folder.check_regular", refuse)
    with pytest.raises(StorageError, match="Cannot read.*8.keras: Permission denied"):
        folder.restore(network.load_weights)
    assert steps(folder) == [8, 4]


@pytest.mark.parametrize(
    "text",
    [
        "{}x",
        '["4"]',
        '{"step": "4"}',
        '{"step": -4}',
        '{"step": 1e99}',
        '{"step": 4, "best_miou": NaN}',
        '{"step": 4, "best_miou": 7}',
        '{"step": 4, "loss_total": Infinity}',
        '{"step": 4, "step": 4}',
        '{"step": ' + 50_000 * "[",
    ],
)
def test_a_state_of_nonsense_is_damage(tmp_path, network, text):
    network.save(path := tmp_path / "step_00000004.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("training_state.json", text)
    with pytest.raises(InputError, match=f"{path}.*use another"):
        read_state(path)


# Holds the lock of an output folder, as a training does; imports nothing heavy.
HOLDER = """
    import sys, time, filelock
    with filelock.FileLock(sys.argv[1], blocking=False):
        print("held", flush=True)
        time.sleep(100)
"""


def test_a_second_training_is_refused_until_the_first_is_gone(tmp_path):
    checkpoints = CheckpointFolder(tmp_path / "checkpoints")
    arguments = command(HOLDER, tmp_path / ".lock")
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StorageError, match="Another training writes to"):
            with run_folder(tmp_path, checkpoints, resume=True):
                pass
        holder.kill()  # -9: the lock's file stays
    assert (tmp_path / ".lock").exists()
    with run_folder(tmp_path, checkpoints, resume=True):
        with pytest.raises(StorageError, match="Another training writes to"):
            with run_folder(tmp_path, checkpoints, resume=True):
                pass


@pytest.mark.parametrize(("number", "works"), [(errno.ENOSYS, True), (37, False)])
def test_a_file_system_without_locks(tmp_path, monkeypatch, number, works):
    def refuse(descriptor, how):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", refuse)
    checkpoints = CheckpointFolder(tmp_path / "checkpoints")
    if not works:  # ENOLCK, of a network file system
        with pytest.raises(StorageError, match="No locks available"):
            with run_folder(tmp_path, checkpoints, resume=False):
                pass
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with run_folder(tmp_path, checkpoints, resume=False):
            with pytest.raises(StorageError, match="Another training writes to"):
                with run_folder(tmp_path, checkpoints, resume=False):
                    pass


def test_a_best_model_alone_is_a_run_too(tmp_path):
    (tmp_path / "best.keras").write_bytes(b"")
    with pytest.raises(InputError, match="holds a run .best.keras."):
        with run_folder(tmp_path, CheckpointFolder(tmp_path), resume=False):
            pass


def test_what_others_write_below_the_folder_is_left_alone(tmp_path):
    own, others = (tmp_path / name for name in (".tmp-a", "predictions/.tmp-b"))
    own.mkdir(), others.mkdir(parents=True)
    with run_folder(tmp_path, CheckpointFolder(tmp_path / "c"), resume=True):
        assert (own.exists(), others.exists()) == (False, True)


def test_keep_is_at_least_one(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        CheckpointFolder(tmp_path, keep=0)


# Forked, so that nothing is imported a hundred times. A forked TensorFlow may hang, so
# a stand-in for the model writes and reads an archive as Keras does. Each child saves
# without pause until it is killed.
KILLED = """
    import h5py, io, numpy, os, pathlib, random, signal, sys, time, zipfile
    from keras_lraspp.run_dir.folder import CheckpointFolder, TrainingState

    class Model:
        def save(self, path):
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("config.json", f"{self.step:08d}" * 50_000)
                content = io.BytesIO()
                with h5py.File(content, "w") as file:
                    file["weights"] = numpy.full(100_000, self.step)
                archive.writestr("model.weights.h5", content.getvalue())

        def load_weights(self, path):
            with zipfile.ZipFile(path) as archive:
                content = archive.read("config.json").decode()
                self.step = int(content[:8])
                assert content == f"{self.step:08d}" * 50_000
                with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file:
                    assert (file["weights"][()] == self.step).all()

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


@pytest.mark.slow  # `.ci/run` runs it
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
