"""The flags of `keras-lraspp export` reach the run."""

from functools import partial

import pytest

from keras_lraspp.__main__ import main

FLAGS = ["export", "--gin_file=os8_global.gin", "--weights=w", "--output_dir=o"]


@pytest.fixture
def given(handed_over):
    return partial(handed_over, *FLAGS)


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--data_root=d", {"data_root": "d"}),
        ("--format=saved_model,onnx", {"formats": ("saved_model", "onnx")}),
        ("--size=512x1024", {"size": (512, 1024)}),
        ("--outputs=labels,logits", {"outputs": ("labels", "logits")}),
        ("--precision=float32,int8", {"precisions": ("float32", "int8")}),
        ("--calibration_images=7", {"calibration_images": 7}),
        ("--certificate_images=8", {"certificate_images": 8}),
        ("--model_version=3", {"version": 3}),
        ("--overwrite", {"overwrite": True}),
    ],
)
def test_each_flag_is_passed_on(given, flag, argument):
    assert given(flag) == {"weights": "w", "output_dir": "o", **argument}


def test_what_is_not_typed_is_left_to_the_configuration(given):
    assert given() == {"weights": "w", "output_dir": "o"}


def test_the_run_has_these_arguments():
    import inspect

    from keras_lraspp.export.export import export

    names = set(inspect.signature(export).parameters)
    assert {"data_root", "formats", "outputs", "precisions", "size"} <= names


def test_a_size_that_is_none(capsys):
    assert main([*FLAGS, "--size=512"]) == 2
    assert "--size is HEIGHTxWIDTH" in capsys.readouterr().err
