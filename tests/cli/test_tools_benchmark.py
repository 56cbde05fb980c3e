"""The flags of `keras-lraspp benchmark` reach the run."""

import pytest

from keras_lraspp.__main__ import main
from keras_lraspp.benchmark.benchmark import BenchmarkRow

DEFAULTS = {
    "variants": ("all",),
    "formats": ("keras",),
    "precisions": ("float32",),
    "size": (512, 1024),
    "channels": 3,
    "batch": 1,
    "threads": None,
    "runs": 20,
    "output_dir": "output/benchmark",
}


@pytest.fixture
def given(monkeypatch):
    calls, rows = {}, []
    monkeypatch.setattr(
        "keras_lraspp.benchmark.benchmark.benchmark",
        lambda **flags: (calls.update(flags), rows)[1],
    )

    def call(*flags, error=None):
        rows[:] = [BenchmarkRow(variant="v", format="keras", error=error)]
        return main(["benchmark", *flags]), dict(calls)

    return call


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        (
            "--variants=os8_global, os32_global",
            {"variants": ("os8_global", "os32_global")},
        ),
        ("--format=keras,onnx", {"formats": ("keras", "onnx")}),
        ("--precision=int8,float32", {"precisions": ("int8", "float32")}),
        ("--size=64x96", {"size": (64, 96)}),
        ("--channels=1", {"channels": 1}),
        ("--batch_size=4", {"batch": 4}),
        ("--threads=1", {"threads": 1}),
        ("--runs=7", {"runs": 7}),
        ("--output_dir=o", {"output_dir": "o"}),
    ],
)
def test_each_flag_is_passed_on(given, flag, argument):
    assert given(flag) == (0, {**DEFAULTS, **argument})


def test_a_failed_row_shows_in_the_exit_code(given):
    assert given(error="too large")[0] == 2


def test_a_bad_size(capsys):
    assert main(["benchmark", "--size=64"]) == 2
    assert "--size is HEIGHTxWIDTH" in capsys.readouterr().err
