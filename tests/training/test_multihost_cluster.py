"""Where a process stands among others, from flags and a cluster's variables."""

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.training.multihost import ProcessSpec, resolve_process

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
