"""Every parameter of everything that gin configures is given what it cannot be."""

import inspect
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness import tiny
from keras_lraspp import config, data, training
from keras_lraspp.data.augmentation import keras_cv
from keras_lraspp.errors import InputError, UserError

VALUES = (
    0, -1, 0.5, 10**30, 10**400, math.nan, math.inf, -math.inf, "text", "", "{", "\0",
    "\udce9", None, True, (), (math.nan,), ("text", None), (-1, -1), {},
    {"a": None}, b"x",
)  # fmt: skip
NO_NUMBERS = (math.nan, math.inf, "text", "", (), {}, b"x", 10**400, -(10**30))

LOGITS = np.zeros((2, 4, 4, 3), np.float32)
IMAGE, LABEL = np.zeros((12, 16, 3), np.uint8), np.zeros((12, 16), np.uint8)
PRESET = "small_os32_global"


def factory(*arguments, **more):
    """Stands for what a run builds; not reached, as there are no weights."""
    raise InputError("It was built.")


def compute(loss):
    assert loss(np.zeros((2, 4, 4), np.int32), LOGITS) is not None


def update(optimizer):
    optimizer.build([keras.Variable(np.ones((2, 3)))])


def apply(transform):
    seed = tf.constant([1, 2])
    image, label = transform(tf.constant(IMAGE), tf.constant(LABEL), seed)
    assert image.shape[:2] == label.shape


def rates(schedule):
    assert all(np.isfinite(schedule(step)) for step in (0, 3, 100))


def sample(samples):
    samples.load(0)


def nothing(made):
    pass


# What is done with what was made, and arguments for it, by the table of its rows.
KINDS = (
    (training.LOSSES, compute, {"CombinedLoss": {"losses": ()}}),
    (training.OPTIMIZERS, update, {}),
    (
        training.SCHEDULES,
        rates,
        {"WarmupPolynomial": {"learning_rate": 0.1, "iterations": 2000}},
    ),
    (
        data.TRANSFORMS,
        apply,
        {
            "recipe_transform": {"crop_size": (8, 8)},
            "keras_cv_transform": {"crop_size": (8, 8), "operations": 0},
            "transforms_in_order": {"steps": ()},
        },
    ),
    (data.DATASETS, sample, {"TFDS": {"name": "no_such_set", "download": False}}),
)
RUN = {
    "output_dir": "no",
    "dataset": factory,
    "model": factory,
    "transform": factory,
    "weights": "no.keras",
    "input_path": "no.png",
    "output_path": "no.png",
}
NUMBERS = dict.fromkeys(
    ("iterations", "batch_size", "reference_batch", "eval_interval", "save_interval"), 1
)
TRAINING = {
    "learning_rate": 0.1,
    "loss": factory,
    "optimizer": factory,
    "schedule": factory,
    **NUMBERS,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures, for the data sets that take any."""
    return tiny.write_pictures(tmp_path_factory.mktemp("pictures"))


def recipe_of(row, folder: Path):
    """How to make something with all arguments good: use, and arguments."""
    known = inspect.signature(config._target(row.name)).parameters
    for table, use, arguments in KINDS:
        if row.name in table:
            base = arguments.get(row.name, {})
            if row.name == "Scenes":
                sides = {"height": 64, "width": 64, "train_scenes": 1, "val_scenes": 1}
                base = {"root": folder / "scenes", "progress": False, **sides}
            elif table is data.DATASETS:
                base = {"root": folder, **base}
                base |= {"num_classes": 3} if "num_classes" in known else {}
            return use, base
    if row.name == "LRASPP":
        return nothing, {"backbone": "small", "width": 0.35, "output_stride": 32}
    if row.name == "from_preset":
        return nothing, {"preset": PRESET, "load_weights": False}
    return nothing, {k: v for k, v in (RUN | TRAINING).items() if k in known}


def parameters(row) -> list[inspect.Parameter]:
    target = config._target(row.name)
    function = target.__init__ if inspect.isclass(target) else target
    if row.name == "train":
        function = target
    named = inspect.signature(function, eval_str=True).parameters.values()
    return [p for p in named if p.kind not in (p.VAR_KEYWORD,) and p.name != "self"]


@pytest.mark.parametrize("row", config.CONFIGURABLES, ids=lambda row: row.name)
def test_only_typed_errors(row, folder, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Slow to build; values that are good arrive there.
    monkeypatch.setattr("keras_lraspp.models.lraspp.MobileNetV3", factory)
    monkeypatch.setattr(keras_cv, "_import_keras_cv", factory)
    use, base = recipe_of(row, folder)
    make = config._as_function(row)
    for parameter in parameters(row):
        for value in VALUES:
            if row.name == "train" and parameter.name == "operative_config":
                continue
            try:
                use(make(**{**base, parameter.name: value}))
            except UserError as error:
                assert "In call to configurable" not in str(error)
            except Exception as error:
                error.add_note(f"{row.name}.{parameter.name} = {value!r}")
                raise


def is_number(parameter: inspect.Parameter) -> bool:
    text = str(parameter.annotation)
    other = ("str", "Sequence", "tuple", "bool", "Mapping", "Path", "Callable")
    return ("int" in text or "float" in text) and not any(o in text for o in other)


@pytest.mark.parametrize("row", config.CONFIGURABLES, ids=lambda row: row.name)
def test_a_number_has_its_range(row, folder):
    _, base = recipe_of(row, folder)
    make = config._as_function(row)
    for parameter in parameters(row):
        default = parameter.default
        numeric = type(default) in (int, float) or is_number(parameter)
        for value in NO_NUMBERS if numeric else ():
            with pytest.raises(InputError) as caught:
                make(**{**base, parameter.name: value})
            assert parameter.name in str(caught.value)
