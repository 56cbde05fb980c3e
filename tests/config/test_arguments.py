"""The arguments of a run, checked before it starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keras_lraspp.config import check_arguments
from keras_lraspp.errors import InputError


def run(*, steps: int, rate: float, root: str | Path | None = None, cold: bool = False):
    """Stands for a run."""


def test_what_flags_and_configuration_give_together_is_enough():
    check_arguments(run, ["steps"], {"rate": 1, "root": "data", "cold": True})
    check_arguments(run, ["steps", "rate"], {"root": None})


def test_all_missing_arguments_are_listed():
    with pytest.raises(InputError, match=r"no run.steps, run.rate; add `run.steps = "):
        check_arguments(run, ["root"], {})


@pytest.mark.parametrize(
    "name, value, wanted",
    [
        ("steps", 1e3, "int"),
        ("steps", "10", "int"),
        ("steps", True, "int"),
        ("steps", None, "int"),
        ("rate", (0.1,), "float"),
        ("cold", 1, "bool"),
        ("root", 3, "str | pathlib.*Path | None"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, wanted):
    with pytest.raises(InputError, match=rf"run.{name} is {wanted}, not"):
        check_arguments(run, ["steps", "rate"], {name: value})


def test_a_reference_is_left_to_what_it_calls():
    def other(*, model: Callable[..., object], steps: int):
        """Stands for a run."""

    check_arguments(other, [], {"model": "anything", "steps": object()})
