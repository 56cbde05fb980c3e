"""Where a process stands among others, from flags and a cluster's variables."""

import pytest

from keras_lraspp.errors import InputError
from keras_lraspp.training.multihost import ProcessSpec, resolve_process

MEETING = "node0:1234"
SLURM = {"SLURM_NTASKS": "4", "SLURM_PROCID": "2"}
OPEN_MPI = {"OMPI_COMM_WORLD_SIZE": "8", "OMPI_COMM_WORLD_RANK": "7"}
KUBERNETES = {"JOB_COMPLETION_INDEX": "1"}
KERAS = {
    "KERAS_DISTRIBUTION_JOB_ADDRESSES": "a:1,b:2",
    "KERAS_DISTRIBUTION_NUM_PROCESSES": "2",
    "KERAS_DISTRIBUTION_PROCESS_ID": "1",
}


@pytest.mark.parametrize(
    ("flags", "variables", "place"),
    [
        ((None, None, None), {}, None),
        # The tasks of a job may be trainings of their own.
        ((None, None, None), {**SLURM, **OPEN_MPI, **KUBERNETES}, None),
        ((MEETING, 2, 1), {}, ProcessSpec(MEETING, 2, 1)),
        ((MEETING, 1, 0), {}, None),
        ((MEETING, None, None), SLURM, ProcessSpec(MEETING, 4, 2)),
        ((MEETING, None, None), OPEN_MPI, ProcessSpec(MEETING, 8, 7)),
        # What mpirun starts in a job of SLURM.
        ((MEETING, None, None), {**SLURM, **OPEN_MPI}, ProcessSpec(MEETING, 8, 7)),
        ((MEETING, 3, None), KUBERNETES, ProcessSpec(MEETING, 3, 1)),
        ((MEETING, 2, 0), SLURM, ProcessSpec(MEETING, 2, 0)),
        ((None, None, None), KERAS, ProcessSpec("a:1", 2, 1)),
        ((None, 2, 0), {"JAX_COORDINATOR_ADDRESS": "c:3"}, ProcessSpec("c:3", 2, 0)),
        (("auto", None, None), SLURM, ProcessSpec(None, None, None)),
    ],
)
def test_places(flags, variables, place):
    assert resolve_process(*flags, environment=variables) == place


@pytest.mark.parametrize(
    ("flags", "variables", "said"),
    [
        ((None, 4, 0), {}, "4 processes need an address"),
        ((None, None, 1), {}, "--coordinator=HOST:PORT"),
        (("node0", 2, 0), {}, "'node0'"),
        ((MEETING, None, None), {}, "--processes=N"),
        ((MEETING, None, None), KUBERNETES, "--processes=N"),
        ((MEETING, 2, 2), {}, "--process=2 is none of 2"),
        ((MEETING, 2, -1), {}, "--process=-1"),
        ((MEETING, None, None), {**SLURM, "SLURM_NTASKS": "x"}, "SLURM_NTASKS"),
    ],
)
def test_what_is_no_place(flags, variables, said):
    with pytest.raises(InputError, match=said):
        resolve_process(*flags, environment=variables)
