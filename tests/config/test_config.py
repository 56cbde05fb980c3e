"""Configurations as gin reads them: the shipped ones, and what is wrong in others."""

import importlib
import inspect
import math
import re

import keras
import numpy as np
import pytest

from keras_lraspp import config
from keras_lraspp.config import CONFIGS, find_config
from keras_lraspp.errors import DivergedError, InputError
from keras_lraspp.models.families import FAMILIES
from keras_lraspp.training import Muon

SHIPPED = sorted(path.name for path in CONFIGS.glob("*.gin"))

# Of the reference's table: mIoU, with flip, with multi-scale and flip.
PUBLISHED = {
    "os8_global.gin": ("72.33", "72.63", "73.87"),
    "os8_large_kernel.gin": ("73.19", "73.40", "74.49"),
    "os32_global.gin": ("70.13", "70.43", "72.14"),
}
# Classes, trainable parameters, output stride and pooling of each shipped network.
NETWORKS = {
    "os8_global.gin": (19, 2_923_814, 8, "global"),
    "os8_large_kernel.gin": (19, 2_923_814, 8, "large_kernel"),
    "os32_global.gin": (19, 2_923_814, 32, "global"),
    "quickstart.gin": (19, 2_923_814, 32, "global"),
    "camvid.gin": (11, 2_922_790, 32, "global"),
    "camvid_fast.gin": (11, 2_922_790, 32, "global"),
    "ade20k_os8_global.gin": (150, 2_940_582, 8, "global"),
    "ade20k_os32_global.gin": (150, 2_940_582, 32, "global"),
    "voc2012_os8_global.gin": (21, 2_924_070, 8, "global"),
    "voc2012_aug_os8_global.gin": (21, 2_924_070, 8, "global"),
    # mmsegmentation and fastseg count as many; torchvision 3 221 538 of 21 classes.
    "mmseg_large.gin": (19, 3_284_547, 8, "large_kernel"),
    "fastseg_large.gin": (19, 3_284_547, 8, "large_kernel"),
    "tensorflow_large.gin": (19, 3_284_547, 8, "global"),
    "torchvision_large.gin": (19, 3_221_538 - 2 * (128 + 40 + 2), 16, "global"),
}
# Scores of the networks of others, as they publish them.
SCORES = {"mmseg_large.gin": ("67.87", "69.78"), "fastseg_large.gin": ("72.3",)}
# PaddleSeg's configs/_base_/ade20k.yml and pascal_voc12.yml: iterations.
BASE_SETTINGS = {
    "ade20k_os8_global.gin": 80000,
    "ade20k_os32_global.gin": 80000,
    "voc2012_os8_global.gin": 40000,
    "voc2012_aug_os8_global.gin": 40000,
}


@pytest.fixture
def gin_file(tmp_path):
    """Writes a configuration and returns its path."""

    def write(text, name="mine.gin"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


@pytest.fixture
def spy(monkeypatch):
    """Stands in for the evaluation run; returns what it was called with."""
    calls = []

    def evaluate(**arguments):
        calls.append(arguments)
        return arguments

    real = importlib.import_module("keras_lraspp.evaluation.evaluate").evaluate
    evaluate.__signature__ = inspect.signature(real)
    monkeypatch.setattr("keras_lraspp.evaluation.evaluate.evaluate", evaluate)
    return calls


def spaced(number):
    return f"{number:,}".replace(",", " ")


def model_family(name):
    """Whose network a configuration trains: the beginning of its name, if another's."""
    family = name.partition("_")[0]
    return family if family in FAMILIES else "paddleseg"


def bound(name):
    """Loads a configuration; returns the runs' factories by the arguments' names."""
    config.load_config([name])
    return config.gin.get_bindings("train")


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_builds_its_network(name, tmp_path):
    classes, parameters, output_stride, pooling = NETWORKS[name]
    model = bound(name)["model"](num_classes=classes)
    weights = [math.prod(weight.shape) for weight in model.trainable_weights]
    assert sum(weights) == parameters
    assert model.get_config()["output_stride"] == output_stride
    assert model.get_config()["pooling"] == pooling
    assert model.family == model_family(name)
    shape = (1, 401, 415, 3)
    assert model.compute_output_shape(shape) == (*shape[:3], classes)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_config_gives_all_that_training_needs(name):
    given = bound(name)
    config.check_arguments(config._target("train"), ["output_dir"], given)
    schedule = given["schedule"](learning_rate=0.1, iterations=given["iterations"])
    optimizer = given["optimizer"](learning_rate=schedule)
    l2 = 4e-5 if name in BASE_SETTINGS else 5e-4
    l2 = 1e-6 if name == "torchvision_large.gin" else l2
    if name == "camvid_fast.gin":
        assert type(optimizer) is Muon
    else:
        assert (optimizer.momentum, optimizer.l2) == (0.9, l2)
    assert isinstance(given["loss"](ignore_label=255), keras.losses.Loss)
    assert callable(given["transform"](ignore_label=255))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_header_says_what_it_is(name):
    lines = find_config(name).read_text().splitlines()
    end = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    header = "\n".join(lines[:end])
    assert f"python train.py --gin_file=gin_configs/{name}" in header
    assert spaced(NETWORKS[name][1]) in header
    if name in PUBLISHED:
        assert all(score in header for score in PUBLISHED[name])
        assert spaced(NETWORKS[name][1] + 3 * 128) in header
        assert "not measured" in header
    if model_family(name) != "paddleseg":
        assert all(score in header for score in SCORES.get(name, ()))
        assert "not measured" in header


def test_the_published_rows_follow_the_recipe():
    for name in PUBLISHED:
        given = bound(name)
        assert (given["iterations"], given["batch_size"]) == (80000, 4)
        rate = given["schedule"](learning_rate=0.005, iterations=80000)
        expected = [1e-5, (1e-5 + 0.005) / 2, 0.005, 0.005 * 0.5**0.9]
        steps = [0, 500, 1000, 1000 + 79000 // 2]
        np.testing.assert_allclose([rate(step) for step in steps], expected, rtol=1e-4)
        assert (given["learning_rate"], given["reference_batch"]) == (0.005, 16)
        loss = given["loss"](ignore_label=255).get_config()
        assert (loss["threshold"], loss["min_kept"]) == (0.7, 130_000)
        transform = config.gin.get_bindings("recipe_transform")
        assert transform["crop_size"] == (512, 1024)
        assert transform["scales"] == tuple(np.arange(0.5, 2.25, 0.25))


@pytest.mark.parametrize("name", BASE_SETTINGS)
def test_other_data_sets_follow_the_base_settings_of_the_reference(name):
    given = bound(name)
    iterations = BASE_SETTINGS[name]
    assert (given["iterations"], given["batch_size"]) == (iterations, 4)
    assert (given["learning_rate"], given["reference_batch"]) == (0.01, 16)
    rate = given["schedule"](learning_rate=0.01, iterations=iterations)
    expected = [0.01, 0.01 * 0.5**0.9, 0.0]
    found = [rate(step) for step in (0, iterations // 2, iterations)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert type(given["loss"](ignore_label=255)).__name__ == "CrossEntropy"
    transform = config.gin.get_bindings("recipe_transform")
    assert transform["crop_size"] == (512, 512)
    assert transform["color_factors"] == (0.6, 1.4)
    augmented = config.gin.get_bindings("VOC2012").get("augmented", False)
    assert augmented == ("aug" in name)


def test_mmsegmentations_network_follows_its_recipe():
    # configs/_base_/schedules/schedule_320k.py and _base_/datasets/cityscapes.py
    given = bound("mmseg_large.gin")
    assert (given["iterations"], given["batch_size"]) == (320_000, 4)
    assert (given["learning_rate"], given["reference_batch"]) == (0.01, 16)
    rate = given["schedule"](learning_rate=0.01, iterations=320_000)
    expected = [0.01, 1e-4 + 0.0099 * 0.5**0.9, 1e-4]
    found = [rate(step) for step in (0, 160_000, 320_000)]
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    assert type(given["loss"](ignore_label=255)).__name__ == "CrossEntropy"
    transform = config.gin.get_bindings("recipe_transform")
    assert (transform["crop_size"], transform["flip"]) == ((512, 1024), 0.5)
    assert (min(transform["scales"]), max(transform["scales"])) == (0.5, 2.0)
    assert (transform["max_class_share"], transform["color"]) == (0.75, 0.5)
    assert transform["hue"] / 256 == pytest.approx(18 / 180)


def test_torchvisions_network_follows_its_recipe():
    # references/segmentation: its README's command and train.py's defaults
    given = bound("torchvision_large.gin")
    assert (given["batch_size"], given["reference_batch"]) == (4, 8 * 4)
    assert given["learning_rate"] == 0.01
    rate = given["schedule"](learning_rate=0.01, iterations=given["iterations"])
    found = [rate(step) for step in (0, given["iterations"] // 2)]
    np.testing.assert_allclose(found, [0.01, 0.01 * 0.5**0.9], rtol=1e-4)
    assert type(given["loss"](ignore_label=255)).__name__ == "CrossEntropy"
    transform = config.gin.get_bindings("recipe_transform")
    assert (transform["flip"], transform["color"]) == (0.5, 0.0)


def test_camvid_is_set_as_its_anchor_was_measured():
    given = bound("camvid.gin")
    assert (given["iterations"], given["batch_size"]) == (600, 4)
    assert (given["learning_rate"], given["reference_batch"]) == (0.02, 4)
    assert type(given["loss"](ignore_label=255)).__name__ == "CrossEntropy"
    transform = config.gin.get_bindings("recipe_transform")
    assert transform["crop_size"] == (360, 480)
    assert (transform["flip"], transform["color"]) == (0.5, 0.5)
    assert config.gin.get_bindings("WarmupPolynomial")["warmup_steps"] == 60


def test_bindings_override_files_and_later_files_earlier_ones(gin_file):
    mine = gin_file("train.iterations = 7\ntrain.seed = 7\n")
    config.load_config(["os8_global.gin", mine], ["train.seed = 8", "train.keep=9"])
    given = config.gin.get_bindings("train")
    assert (given["iterations"], given["seed"], given["keep"]) == (7, 8, 9)


def test_loading_replaces_what_was_loaded(gin_file):
    config.load_config([], ["train.seed = 8"])
    config.load_config([], [])
    assert config.gin.get_bindings("train") == {}


FAULTS = [
    (
        "train.iteration = 3",
        "train has no parameter iteration; did you mean itera",
    ),
    ("LRASPP.outputstride = 8", "LRASPP has no parameter outputstride; did you mean "),
    ("SGD.nesterof = True", "SGD has no parameter nesterof"),
    ("trian.seed = 3", "nothing named trian to configure; did you mean train"),
    ("train.loss = @CrossEntrophy", "nothing named CrossEntrophy .* mean CrossEntropy"),
    ("train.loss = @zzz()", "nothing named zzz to configure; choose one of ADE20K"),
    ("train.seed = %SEED", "the macro %SEED has no value; add a line `SEED = "),
    ("train.seed = %gin.REQUIRED", "train.seed has no value; add a line `train.seed"),
    ("SEED = %gin.REQUIRED", "SEED has no value"),
    ("train.precision = float32", "value float32; put quotes around text"),
    ("train.seed = 1 2", "cannot read this .Expected newline"),
    ("train.seed = ", "cannot read this"),
    ("train.seed", "cannot read this"),
    ("train.seed = [1,", "cannot read this"),
    ("train.seed = 'abc", "cannot read this"),
    ("import nopackage.x", "No module named 'nopackage'"),
]


@pytest.mark.parametrize("line, message", FAULTS)
def test_a_fault_in_a_file_is_named_with_its_line(line, message, gin_file):
    path = gin_file(f"# a comment\ntrain.keep = 3\n\n{line}")
    # An open bracket is found missing at the end of the file.
    with pytest.raises(InputError, match=rf"^{re.escape(str(path))} line [45]: ") as e:
        config.load_config([path])
    assert re.search(message, str(e.value))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("line, message", FAULTS)
def test_a_fault_in_a_flag_is_named(line, message):
    with pytest.raises(
        InputError, match=rf'^--gin_bindings="{re.escape(line)}": '
    ) as e:
        config.load_config([], ["train.keep = 3", line])
    assert re.search(message, str(e.value))


def test_a_fault_in_an_included_file_is_named_there(gin_file):
    gin_file("\ntrain.kep = 1\n", "inner.gin")
    with pytest.raises(InputError, match="inner.gin line 2: train has no .* kep"):
        config.load_config([gin_file('include "inner.gin"\n')])


def test_a_base_file_alone_misses_what_the_top_gives():
    with pytest.raises(InputError, match="runs.gin line [0-9]+: .* has no value"):
        config.load_config([CONFIGS / "base/runs.gin"])


def test_a_value_that_a_class_refuses_is_an_input_error(spy):
    config.load_config(["os8_global.gin"], ["LRASPP.output_stride = 7"])
    model = config.call("evaluate", weights="w")["model"]
    with pytest.raises(
        InputError, match="LRASPP.output_stride is one of 8, 16, 32, not 7"
    ):
        model(num_classes=19)


def test_flags_come_before_gin_and_gin_before_defaults(spy):
    bindings = ["evaluate.split='test'", "evaluate.batch_size=3"]
    config.load_config(["os8_global.gin"], bindings)
    config.call("evaluate", weights="w", split=None)
    config.call("evaluate", weights="w", split="train")
    assert [call["split"] for call in spy] == ["test", "train"]
    assert [call["batch_size"] for call in spy] == [3, 3]


def test_a_run_is_not_started_without_its_arguments(spy):
    config.load_config([])
    with pytest.raises(InputError, match="no evaluate.dataset;"):
        config.call("evaluate", weights="w")
    config.load_config(["os8_global.gin"], ["evaluate.batch_size = 1.5"])
    with pytest.raises(
        InputError, match="evaluate.batch_size is a whole number from 1"
    ):
        config.call("evaluate", weights="w")
    assert spy == []


def test_errors_of_a_run_arrive_without_what_gin_adds(monkeypatch):
    def evaluate(*, weights):
        raise DivergedError("The loss is nan.")

    monkeypatch.setattr("keras_lraspp.evaluation.evaluate.evaluate", evaluate)
    config.load_config([])
    with pytest.raises(DivergedError) as caught:
        config.call("evaluate", weights="w")
    assert type(caught.value) is DivergedError
    assert str(caught.value) == "The loss is nan."


def test_our_own_bugs_stay_what_they_are(monkeypatch):
    def evaluate(*, weights):
        raise TypeError("oops")

    monkeypatch.setattr("keras_lraspp.evaluation.evaluate.evaluate", evaluate)
    config.load_config([])
    with pytest.raises(TypeError, match="oops") as caught:
        config.call("evaluate", weights="w")
    assert not isinstance(caught.value, InputError)


def test_the_operative_config_says_all_and_can_be_loaded(spy, gin_file):
    config.load_config(["camvid.gin"], ["SGD.momentum = 0.8"])
    config.call("evaluate", weights="w")["model"](num_classes=11)
    text = config.operative_config()
    assert "LRASPP.output_stride = 32" in text
    assert "LRASPP.head_filters = 128" in text  # a default
    assert "SGD.momentum = 0.8" in text  # bound, though not called yet
    assert "evaluate.weights" not in text  # a flag
    assert text.count("# Parameters for evaluate:") == 1
    before = config.gin.get_bindings("train", resolve_references=False)
    config.load_config([gin_file(text)])
    assert config.gin.get_bindings("train", resolve_references=False) == before
    assert config.call("evaluate", weights="w")["model"](num_classes=3).backbone


def test_a_configurable_shows_its_named_parameters_only():
    for row in config.CONFIGURABLES:
        parameters = inspect.signature(config._as_function(row)).parameters.values()
        assert {parameter.kind for parameter in parameters} <= {
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        }
        assert "self" not in [parameter.name for parameter in parameters]
