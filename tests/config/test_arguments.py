"""The arguments of a run, checked before it starts."""

from collections.abc import Callable
from pathlib import Path

import pytest

from keras_lraspp import config
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
        ("steps", 1e3, "a whole number"),
        ("steps", "10", "a whole number"),
        ("steps", True, "a whole number"),
        ("steps", None, "a whole number"),
        ("rate", (0.1,), "a number"),
        ("cold", 1, "true or false"),
        ("root", 3, "text or a path or nothing"),
    ],
)
def test_a_value_of_another_type_is_refused(name, value, wanted):
    with pytest.raises(InputError, match=rf"run.{name} is {wanted}, not"):
        check_arguments(run, ["steps", "rate"], {name: value})


def test_a_reference_is_left_to_what_it_calls():
    def other(*, model: Callable[..., list], steps: int):
        """Stands for a run."""

    check_arguments(other, [], {"model": dict, "steps": 3})
    with pytest.raises(InputError, match="other.model is a class or function .*@Name"):
        check_arguments(other, [], {"model": "LRASPP", "steps": 3})


@pytest.mark.parametrize(
    "binding, message",
    [
        ("train.loss = 'CrossEntropy'", "train.loss is a class or function .*'CrossE"),
        ("train.loss = @CrossEntropy()", "write @CrossEntropy without the brackets"),
        ("train.loss = @recipe_transform", "one of @CrossEntropy, .* not @recipe_tr"),
        ("train.transform = @evaluate", "train.transform is one of @recipe_transform"),
        ("train.batch_size = 0", "train.batch_size is a whole number from 1 to .* 0;"),
        ("train.eval_interval = 0", "train.eval_interval is a whole number from 1"),
        ("train.learning_rate = 1e400", "train.learning_rate is a number .* not inf"),
        ("train.frozen = 3", "train.frozen is text or a list, not 3"),
    ],
)
def test_a_binding_that_cannot_be_is_refused_before_the_run(binding, message):
    config.load_config(["quickstart.gin"], [binding])
    with pytest.raises(InputError, match=message) as caught:
        config.call("train", output_dir="no")
    assert "In call to configurable" not in str(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        InputError("Wrong."),
        OSError(28, "No space left", "a"),
        OSError("Socket."),
        KeyError(1),
    ],
)
def test_no_message_has_a_line_of_gin(error, monkeypatch):
    def evaluate(*, weights, model=None):
        model(num_classes=3)

    def raising(**arguments):
        raise error

    monkeypatch.setattr("keras_lraspp.evaluation.evaluate.evaluate", evaluate)
    monkeypatch.setattr("keras_lraspp.models.LRASPP", raising)
    config.load_config([], ["evaluate.model = @LRASPP"])
    with pytest.raises(type(error)) as caught:
        config.call("evaluate", weights="w")
    assert caught.value is error
