"""Who joins other processes, and who cannot; `runs/test_train_hosts` has two."""

import importlib.util
import subprocess

import keras
import pytest

from harness.children import command, environment
from keras_lraspp.errors import InputError
from keras_lraspp.training.multihost import Place, several_hosts


@pytest.mark.backends
def test_one_process_joins_nothing():
    with several_hosts(None) as hosts:
        assert (hosts.count, hosts.index) == (1, 0)
        assert hosts.first and not hosts.several


@pytest.mark.backends
@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX can")
def test_other_backends_name_the_way():
    with pytest.raises(InputError, match="KERAS_BACKEND=jax") as caught:
        with several_hosts(Place("node0:1234", 2, 0)):
            pass
    assert keras.backend.backend() in str(caught.value)


PROGRAM = """
    import jax, sys
    from keras_lraspp.errors import InputError
    from keras_lraspp.training.multihost import find_place
    from keras_lraspp.training import joining

    place = find_place("localhost:1", 2, 1)  # nobody listens there
    if sys.argv[1] == "late":
        jax.devices()  # what JAX wants nobody to do before
        place = find_place("localhost:1", 2, 0)
    elif sys.argv[1] == "no cluster":
        place = find_place("auto")
    joining._PATIENCE = 0.5
    try:
        with joining.several_hosts(place):
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
