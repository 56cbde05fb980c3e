"""Training from published weights: on other classes, and from a backbone."""

from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from harness import reference
from harness.image_files import dataset_of
from harness.paddle import backbone_tensors, write_pdparams
from harness.stand_ins import with_few_blocks
from harness.tiny import SMALLEST, settings
from keras_lraspp import LRASPP, config
from keras_lraspp.classes import ClassSet
from keras_lraspp.data import CITYSCAPES, Scenes, generic_class_set
from keras_lraspp.errors import InputError
from keras_lraspp.models.keras_file import save_network
from keras_lraspp.training.train import Training, train

VARIANT = "small_x0_35_os32_global"
CATEGORIES = ("flat", "construction", "object", "nature", "sky", "human", "vehicle")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "model.pdparams"
    return write_pdparams(path, reference.state_dict(VARIANT))


def scene_categories(split, root):
    """The scenes with the seven categories of Cityscapes instead of its classes."""
    size = {"train_scenes": 8, "val_scenes": 4, "height": 64, "width": 128}
    scenes = Scenes(root, split, **size)
    lookup = np.full(256, 255)
    for row in CITYSCAPES:
        if 0 <= row.train_id < 19:
            lookup[row.id if scenes.label_lookup else row.train_id] = CATEGORIES.index(
                row.category
            )
    return replace(scenes, label_lookup=tuple(lookup), classes=generic_class_set(7))


@pytest.mark.slow  # `.ci/run` runs it
def test_scenes_from_published_weights(checkpoint, scenes_root, tmp_path):
    model = partial(LRASPP.from_preset, checkpoint)
    started = []

    def remember(num_classes):
        network = model(num_classes=num_classes)
        started.append([np.array(value) for value in network.get_weights()])
        return network

    result = train(
        **settings(
            scenes_root,
            tmp_path / "out",
            model=remember,
            dataset=scene_categories,
            iterations=60,
            eval_interval=60,
            log_interval=10,
            learning_rate=0.01,
        )
    )
    keras.utils.clear_session()
    # It began with the published weights, but for the classes ...
    wanted = reference.model(VARIANT).get_weights()
    differing = [
        ours.shape
        for ours, theirs in zip(started[0], wanted, strict=True)
        if not np.array_equal(ours, theirs)
    ]
    assert differing == [(1, 1, 128, 7)]
    # ... and learned.
    rows = np.genfromtxt(tmp_path / "out/log.csv", delimiter=",", names=True)
    losses = rows["loss"][np.isfinite(rows["loss"])]
    assert losses[-3:].mean() < 0.9 * losses[0]
    best = LRASPP.from_preset(result.best_path)
    assert best.num_classes == 7
    assert best.get_config()["width"] == 0.35


def test_gin_gives_the_backbone_to_training_only(tmp_path):
    """As docs/weights.md shows: evaluation must not ask for what it does not need."""
    path = write_pdparams(tmp_path / "model.pdparams", backbone_tensors(VARIANT))
    config.load_config(
        ["os32_global.gin"],
        [
            "LRASPP.backbone = 'small'",
            "LRASPP.width = 0.35",
            "train.model = @train/LRASPP",
            f"train/LRASPP.backbone_weights = '{path}'",
        ],
    )
    training, evaluating = (
        config.gin.get_bindings(run)["model"](num_classes=2)
        for run in ("train", "evaluate")
    )
    assert training.num_classes == evaluating.num_classes == 2
    wanted = reference.model(VARIANT).backbone.get_weights()
    for ours, theirs in zip(training.backbone.get_weights(), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(evaluating.backbone.get_weights()[0], wanted[0])


def test_gin_gives_a_preset_to_training(checkpoint):
    bindings = ["train.model = @from_preset", f"from_preset.preset = '{checkpoint}'"]
    config.load_config(["os32_global.gin"], bindings)
    model = config.gin.get_bindings("train")["model"](num_classes=7)
    assert model.num_classes == 7
    text = config.operative_config()
    assert f"from_preset.preset = \\\n    '{checkpoint}'" in text or (
        f"from_preset.preset = '{checkpoint}'" in text
    )
    assert "train.model = @from_preset" in text


def test_classes_of_another_order_are_refused(tmp_path, monkeypatch):
    with_few_blocks(monkeypatch)
    names = ("road", "sky", "car")
    classes = ClassSet(names, generic_class_set(3).palette)
    save_network(SMALLEST(num_classes=3), tmp_path / "best.keras", classes)
    model = partial(LRASPP.from_preset, tmp_path / "best.keras")
    training = Training(**settings(tmp_path, tmp_path / "out", model=model))
    swapped = dataset_of([], classes=ClassSet(names[::-1], classes.palette))
    with pytest.raises(InputError, match="0 is 'road' there and 'car' here, 2"):
        training.build_network(swapped, 1)
    other = dataset_of([], classes=ClassSet((*names[:2], "bus"), classes.palette))
    with pytest.warns(UserWarning, match="data set tiny differ: 2 is 'car'"):
        training.build_network(other, 1)
    keras.utils.clear_session()
