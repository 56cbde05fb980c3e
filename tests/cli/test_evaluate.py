"""The flags of `keras-lraspp evaluate` reach the run."""

import re
from functools import partial

import pytest

from keras_lraspp.__main__ import main

FLAGS = ["evaluate", "--gin_file=os8_global.gin", "--weights=w"]


@pytest.fixture
def given(handed_over):
    return partial(handed_over, *FLAGS)


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--data_root=d", {"data_root": "d"}),
        ("--split=train", {"split": "train"}),
        ("--json=s.json", {"json_path": "s.json"}),
        ("--confusion=c", {"confusion_path": "c"}),
        ("--protocol=published", {"protocol": "published"}),
        ("--compare=o.keras", {"compare": "o.keras"}),
        ("--submission=s.zip", {"submission": "s.zip"}),
        ("--flip", {"flip": True}),
        ("--no-flip", {"flip": False}),
        ("--scales=0.75,1.5", {"scales": (0.75, 1.5)}),
        ("--sliding_window=64,128", {"sliding_window": (64, 128)}),
        ("--stride=32,64", {"stride": (32, 64)}),
    ],
)
def test_each_flag_is_passed_on(given, flag, argument):
    assert given(flag) == {"weights": "w", **argument}


def test_what_is_not_typed_is_left_to_the_configuration(given):
    assert given() == {"weights": "w"}


def test_the_configuration_may_give_the_same():
    from keras_lraspp import config
    from keras_lraspp.config import check_arguments
    from keras_lraspp.evaluation.evaluate import evaluate

    bindings = [
        "evaluate.flip = True",
        "evaluate.scales = (0.75, 1)",
        "evaluate.sliding_window = (512, 1024)",
        "evaluate.stride = (256, 512)",
        "evaluate.protocol = 'published'",
        "evaluate.submission = 's.zip'",
    ]
    config.load_config(["os8_global.gin"], bindings)
    given = config.gin.get_bindings("evaluate")
    check_arguments(evaluate, {"weights": "w"}, given)


@pytest.mark.parametrize("name", ["CamVid", "camvid", "CAMVID"])
def test_a_data_set_by_its_name(monkeypatch, name):
    from keras_lraspp import config
    from keras_lraspp.data import CamVid

    found = {}
    call = lambda run, **flags: found.update(flags, **config.bound(run, "dataset"))  # noqa: E731
    monkeypatch.setattr("keras_lraspp.config.call", call)
    assert main(["evaluate", "--weights=w", f"--dataset={name}", "--data_root=d"]) == 0
    assert found["dataset"].__doc__ == CamVid.__doc__ and found["data_root"] == "d"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "named by --dataset"),
        (["--dataset=CamVid", "--gin_file=camvid.gin"], "give one of them"),
        (
            ["--dataset=CamVids"],
            "no data set CamVids; did you mean CamVid; --dataset is",
        ),
    ],
)
def test_no_data_set_or_two(capsys, flags, said):
    assert main(["evaluate", "--weights=w", *flags]) == 2
    assert re.search(said, capsys.readouterr().err)
