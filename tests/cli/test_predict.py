"""The flags of `keras-lraspp predict` reach the run."""

from functools import partial

import pytest

from keras_lraspp.__main__ import main

COMMON = {"weights": "w", "input_path": ["i.png"], "output_dir": "o"}
FLAGS = ["predict", "--gin_file=os8_global.gin", "--weights=w"]
FLAGS += ["--input=i.png", "--output_dir=o"]


@pytest.fixture
def given(handed_over):
    return partial(handed_over, *FLAGS)


@pytest.mark.parametrize(
    ("flag", "argument"),
    [
        ("--outputs=labels, probabilities", {"outputs": ("labels", "probabilities")}),
        ("--label_ids", {"label_ids": True}),
        ("--palette=p.json", {"palette": "p.json"}),
        ("--opacity=0.3", {"opacity": 0.3}),
        ("--legend", {"legend": True}),
        ("--min_region=50", {"min_region": 50}),
        ("--engine=onnx", {"engine": "onnx"}),
        ("--flip", {"flip": True}),
        ("--scales=0.75,1.5", {"scales": (0.75, 1.5)}),
        ("--sliding_window=64,128", {"sliding_window": (64, 128)}),
        ("--stride=32,64", {"stride": (32, 64)}),
    ],
)
def test_each_flag_is_passed_on(given, flag, argument):
    assert given(flag) == {**COMMON, **argument}


def test_what_is_not_typed_is_left_to_the_configuration(given):
    assert given() == COMMON


def test_the_configuration_may_give_the_same():
    from keras_lraspp import config
    from keras_lraspp.config import check_arguments
    from keras_lraspp.prediction.predict import predict

    bindings = [
        "predict.outputs = ('labels', 'overlay')",
        "predict.label_ids = True",
        "predict.palette = 'p.json'",
        "predict.legend = True",
        "predict.flip = True",
        "predict.scales = (0.75, 1)",
        "predict.sliding_window = (512, 1024)",
        "predict.stride = (256, 512)",
    ]
    config.load_config(["os8_global.gin"], bindings)
    check_arguments(predict, COMMON, config.gin.get_bindings("predict"))


def test_inputs_may_stand_anywhere(handed_over):
    typed = ["a.png", "--weights=w", "b.png", "--input=c.png", "--flip", "d.png"]
    found = handed_over("predict", *typed)["input_path"]
    assert found == ["a.png", "b.png", "d.png", "c.png"]
    typed = ["--weights=w", "--gin_bindings", "predict.legend = True", "a.png"]
    assert handed_over("predict", *typed)["input_path"] == ["a.png"]


@pytest.mark.parametrize(
    ("flag", "classes"),
    [
        ("--classes=camvid", "camvid"),
        ("--classes=3", 3),
        ("--classes=cat, dog", ("cat", "dog")),
    ],
)
def test_classes_by_name_number_or_names(given, flag, classes):
    assert given(flag) == {**COMMON, "classes": classes}


def test_nothing_to_segment(capsys):
    assert main(["predict", "--weights=w"]) == 2
    assert "What to segment is missing" in capsys.readouterr().err
