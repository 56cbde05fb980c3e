"""Joining other processes: flags and environment; `test_train_hosts` has two."""

import importlib.util
import subprocess

import keras
import pytest

from harness.children import command, environment
from keras_lraspp.errors import InputError
from keras_lraspp.training.multihost import ProcessSpec, init_multihost, resolve_process


@pytest.mark.backends
def test_one_process_joins_nothing():
    with init_multihost(None) as hosts:
        assert (hosts.count, hosts.index) == (1, 0)
        assert hosts.is_main and not hosts.is_multi


@pytest.mark.backends
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can")
def test_other_backends_name_the_way():
    with pytest.raises(InputError, match="KERAS_BACKEND=jax") as caught:
        with init_multihost(ProcessSpec("node0:1234", 2, 0)):
            pass
    assert keras.backend.backend() in str(caught.value)


PROGRAM = """
    import jax, sys
    from keras_lraspp.errors import InputError
    from keras_lraspp.training import multihost
    from keras_lraspp.training.multihost import resolve_process

    place = resolve_process("localhost:1", 2, 1)  # nobody listens there
    if sys.argv[1] == "late":
        jax.devices()  # what JAX wants nobody to do before
        place = resolve_process("localhost:1", 2, 0)
    elif sys.argv[1] == "no cluster":
        place = resolve_process("auto")
    multihost._PATIENCE = 0.5
    try:
        with multihost.init_multihost(place):
            pass
    except InputError as error:
        print(error)
        sys.exit(error.exit_code)
"""


@pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="needs JAX; CI has it"
)
@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("late", "Cannot join the other processes at localhost:1: jax.distributed"),
        ("no cluster", "Cannot join the other processes at the address that the"),
        ("nobody", "Process 0 does not answer at localhost:1"),
    ],
)
def test_who_cannot_join_says_why(case, said):
    child = subprocess.run(
        command(PROGRAM, case),
        env=environment(KERAS_BACKEND="jax", JAX_PLATFORMS="cpu"),
        capture_output=True,
        text=True,
    )
    assert child.returncode == 2, child.stderr
    assert child.stdout.splitlines()[-1].startswith(said)


MEETING = "node0:1234"
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}
KERAS = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1,b:2",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    "KERAS_DISTRIBUTION_PROCESS_ID": "1",
}


@pytest.mark.parametrize(
    ("flags", "variables", "process"),
    [
        ((None, None, None), {}, None),
        # The tasks of a job may be trainings of their own.
        ((None, None, None), SLURM, None),
        ((MEETING, 2, 1), {}, ProcessSpec(MEETING, 2, 1)),
        ((MEETING, 1, 0), {}, None),
        # What is missing is for Keras and JAX to find.
        ((MEETING, None, None), SLURM, ProcessSpec(MEETING, None, None)),
        ((MEETING, 3, None), SLURM, ProcessSpec(MEETING, 3, None)),
        ((MEETING, 2, 0), SLURM, ProcessSpec(MEETING, 2, 0)),
        ((None, None, None), KERAS, ProcessSpec("a:1", None, None)),
        (
            (None, 2, 0),
            {"JAX_COORDINATOR_ADDRESS": "c:3"},
            ProcessSpec("c:3", 2, 0),
        ),
        (("auto", None, None), SLURM, ProcessSpec(None, None, None)),
    ],
)
def test_processes(flags, variables, process):
    assert resolve_process(*flags, environment=variables) == process


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((None, 4, 0), "4 processes need an address"),
        ((None, None, 1), "--coordinator=HOST:PORT"),
        (("node0", 2, 0), "'node0'"),
        ((MEETING, 2, 2), "--process=2 is none of 2"),
        ((MEETING, 2, -1), "--process=-1"),
    ],
)
def test_wrong_flags(flags, message):
    with pytest.raises(InputError, match=message):
        resolve_process(*flags, environment={})
